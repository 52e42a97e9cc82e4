# SPDX-License-Identifier: MIT
"""What is computed part by part is what would be computed at once."""

from fractions import Fraction

import numpy as np
import pytest
from builders import a_run, many_attempts, many_mines
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stress.analysis.attribution.summary import analyse
from stress.model import chunk, latency_counts
from stress.model.chunk import count_values
from stress.model.latency_counts import count_latencies
from stress.view.figure.run.ccdf import ccdf_curves
from stress.view.page.attempt_columns import pack_attempts
from stress.view.page.run_storms import run_storms

SMALL = 64  # the smallest that the blocks of a page allow
A_FEW = st.lists(arrays(np.int64, st.integers(0, 40), elements=st.integers(0, 50)), max_size=6)


@pytest.fixture
def in_parts(monkeypatch):
    """Return a function that computes something in parts of a few attempts, and in one."""

    def both(compute):
        whole = compute()
        with monkeypatch.context() as change:
            change.setattr(chunk, "CHUNK", SMALL)
            change.setattr(latency_counts, "MERGED_AT", 3)
            return whole, compute()

    return both


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(many_attempts, many_mines)
def test_findings_curves_and_pages_do_not_depend_on_the_parts(in_parts, attempts, mines):
    attempts = np.concatenate([attempts] * 4)
    attempts = attempts[np.argsort(attempts["address"], kind="stable")]
    attempts["start_ns"] = np.arange(len(attempts)) * 1000

    def everything():
        findings = analyse(a_run(attempts, mines, acts=2))
        packed = pack_attempts([*run_storms(findings, "run", "run")], all_max=0, exact_max=5)
        curves = [(one.label, one.latencies.latency_ns.tolist(), one.whole) for one in ccdf_curves(findings)]
        return findings.summary, findings.causes.tobytes(), curves, packed

    whole, parts = in_parts(everything)
    assert parts == whole


@given(A_FEW)
def test_counts_of_parts_are_those_of_all(parts):
    every = np.concatenate([np.zeros(0, np.int64), *parts])
    counts = count_latencies(parts)
    assert np.repeat(counts.latency_ns, counts.counts).tolist() == np.sort(every).tolist()
    assert len(counts) == len(every)
    assert count_values(every).tolist() == np.bincount(every).tolist()


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=50), st.integers(0, 1000))
def test_a_quantile_is_the_smallest_latency_that_enough_attempts_took_at_most(latencies_ns, share):
    (quantile_ns,) = count_latencies([np.array(latencies_ns)]).quantiles_ns(share)
    enough = [
        ns
        for ns in latencies_ns
        if sum(other <= ns for other in latencies_ns) >= Fraction(share, 1000) * len(latencies_ns)
    ]
    assert quantile_ns == min(enough)
