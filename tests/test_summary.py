# SPDX-License-Identifier: MIT
"""The summary: everything is counted once, and percentiles are latencies that occurred."""

import errno
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from builders import (
    COUNTERS,
    MS,
    SECOND,
    US,
    a_ladder,
    a_run,
    many_attempts,
    many_mines,
    the_attempts,
    the_mines,
)
from hypothesis import given
from hypothesis import strategies as st

from stress.analysis.attribution.bands import count_bands
from stress.analysis.attribution.summary import analyse, body_percentiles, durations_s
from stress.model.attempt import STORM, WARM_UP
from stress.model.latency_counts import count_latencies
from stress.model.outcome import Cause, Outcome
from stress.model.plan import Close, Plan, Ports
from stress.model.summary import Body

EMPTY = Body(None, None, None, None, None)
LADDER = a_ladder(tcp_syn_retries=6, tcp_syn_linear_timeouts=4)
ANSWERS = ("PAWSTimewait", "TCPReqQFullDrop")
latencies = st.lists(st.integers(1, 2**52), min_size=1, max_size=60)


def latent(*latencies_ns, **columns):
    return the_attempts(*((40000, 0, 0) for _ in latencies_ns), latency_ns=list(latencies_ns), **columns)


def smallest_with(share, values):
    """Return the smallest value that at least ``share`` of the values do not exceed."""
    return next(
        value for value in sorted(values) if Fraction(sum(other <= value for other in values), len(values)) >= share
    )


@given(many_attempts, many_mines, st.sampled_from(Ports))
def test_every_attempt_has_one_outcome_and_one_cause(attempts, mines, ports):
    summary = analyse(a_run(attempts, mines, Plan(scenario="test", ports=ports), acts=2)).summary
    assert list(summary.outcomes) == [outcome.value for outcome in Outcome]
    assert list(summary.causes) == [cause.value for cause in Cause]
    assert sum(summary.outcomes.values()) == sum(summary.causes.values()) == summary.attempts == len(attempts)
    quick = (attempts["error"] == 0) & (attempts["retransmits"] == 0) & (attempts["latency_ns"] <= 4 * MS)
    assert summary.causes["none"] == quick.sum() <= summary.outcomes["connected"]
    assert summary.causes["closewait"] <= summary.collisions
    assert summary.mines.hit <= min(summary.mines.laid, summary.collisions)
    for name in ("outcomes", "causes"):
        of_acts = [Counter(getattr(act, name)) for act in summary.acts]
        assert sum(of_acts, Counter()) == Counter(getattr(summary, name)) - Counter()
    assert summary.retransmits == attempts["retransmits"].sum()


@given(many_attempts, many_mines, st.fixed_dictionaries(dict.fromkeys((*COUNTERS, *ANSWERS), st.integers(0, 40))))
def test_no_bound_contradicts_itself_whatever_the_counters_say(attempts, mines, counters):
    """No cause explains more attempts at least than at most, and none more than there are."""
    attempts = attempts[attempts["address"] == 0]
    retransmits = int(attempts["retransmits"].sum())
    counters |= {"TCPSynRetrans": retransmits, "RetransSegs": retransmits}  # nobody else sends anything again
    summary = analyse(a_run(attempts, mines[mines["address"] == 0], counters=counters)).summary
    assert all(0 <= bound.at_least <= bound.at_most <= bound.of for bound in summary.bounds)


@given(many_attempts)
def test_bands_hold_every_retried_attempt_once(attempts):
    summary = analyse(a_run(attempts, acts=2)).summary
    assert sum(band.count for band in summary.bands) == summary.outcomes["retried"]
    assert all(band.count >= 0 for band in summary.bands)


@pytest.mark.parametrize(
    ("latency_ns", "label"),
    [
        (9 * MS, "2 jiffies"),
        (2040 * MS, "2 s"),
        (11_200 * MS, "11 s"),
        (500 * MS, "off the ladder"),
        (100 * SECOND, "off the ladder"),
    ],
)
def test_a_retry_lies_in_its_band(latency_ns, label):
    bands = count_bands(np.array([latency_ns]), LADDER)
    assert [(band.label, band.count) for band in bands if band.count] == [(label, 1)]
    (band,) = (band for band in bands if band.count)
    assert band.from_ns <= latency_ns <= band.to_ns


def test_both_ends_of_a_band_are_in_it_and_none_is_off_the_ladder():
    rung = LADDER.rungs[1]
    bands = count_bands(np.array([rung.from_ns, rung.to_ns]), LADDER)
    assert {band.label: band.count for band in bands if band.count} == {rung.label: 2}
    assert [band.label for band in bands] == [LADDER.fast.label, *(rung.label for rung in LADDER.rungs)]


def test_a_kernel_without_the_fast_resend_has_no_such_band():
    old = a_ladder(kernel="5.5.0")
    assert [band.label for band in count_bands(np.array([], np.int64), old)] == [rung.label for rung in old.rungs]


def test_rungs_that_overlap_count_nobody_twice():
    """With 40 linear timeouts of 1 s the timers' lateness adds up to more than the step between two rungs."""
    crowded = a_ladder(tcp_syn_retries=6, tcp_syn_linear_timeouts=40)
    bands = count_bands(np.array([39 * SECOND + 1100 * MS]), crowded)
    assert [band.count for band in bands if band.count] == [1]


@given(latencies)
def test_percentiles_are_latencies_that_occurred(latencies_ns):
    body = body_percentiles(count_latencies([np.array(latencies_ns)]))
    shares = ("0.5", "0.9", "0.99", "0.999", "1")
    assert list(body.__struct_fields__) == ["p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns"]
    values = [getattr(body, name) for name in body.__struct_fields__]
    assert values == [smallest_with(Fraction(share), latencies_ns) for share in shares]
    assert set(values) <= set(latencies_ns)


@pytest.mark.parametrize("count", [1, 2, 10, 100, 1000, 3000, 10_000])
def test_percentiles_of_1_to_n_are_the_ranks(count):
    body = body_percentiles(count_latencies([np.arange(1, count + 1)]))
    ranks = [-(-count * share // 1000) for share in (500, 900, 990, 999, 1000)]
    assert [body.p50_ns, body.p90_ns, body.p99_ns, body.p999_ns, body.max_ns] == ranks


@given(many_attempts)
def test_the_body_is_what_connected_at_once_in_the_storm(attempts):
    in_body = (attempts["error"] == 0) & (attempts["retransmits"] == 0) & (attempts["phase"] == STORM)
    assert analyse(a_run(attempts, acts=2)).summary.body == body_percentiles(
        count_latencies([attempts["latency_ns"][in_body]])
    )


@pytest.mark.parametrize(
    "attempts",
    [
        the_attempts(),
        the_attempts((40000, 0, 1), latency_ns=9 * MS),
        the_attempts((40000, errno.ETIMEDOUT, 6), latency_ns=131 * SECOND),
        latent(7 * US, phase=WARM_UP),
    ],
    ids=["no attempt", "retried", "timed out", "warm-up"],
)
def test_an_empty_body_has_no_percentile(attempts):
    assert analyse(a_run(attempts)).summary.body == EMPTY


@pytest.mark.parametrize(
    ("starts_ns", "latencies_ns", "close_ns", "expected"),
    [
        ([], [], [], (0.0, 0.0)),
        ([5 * SECOND], [2 * SECOND], [0], (2.0, 0.0)),
        ([0, SECOND], [MS, MS], [0, 0], (1.001, 1.0)),
        ([SECOND, SECOND], [MS, MS], [0, MS], (0.002, 0.0)),
        # the first attempt waits for its timeout: the storm lasts as long, but its starts do not
        ([0, 10 * MS, 20 * MS], [SECOND, MS, MS], [0, 0, 0], (1.0, 0.02)),
    ],
)
def test_pace(starts_ns, latencies_ns, close_ns, expected):
    assert durations_s(latent(*latencies_ns, start_ns=starts_ns, close_ns=close_ns)) == pytest.approx(expected)


def test_a_rate_is_of_starts_and_leaves_out_what_lies_between_acts():
    """Each act starts three attempts within 20 ms; a minute lies between the two."""
    starts = [0, 10 * MS, 20 * MS, 60 * SECOND, 60 * SECOND + 10 * MS, 60 * SECOND + 20 * MS]
    attempts = latent(*[MS] * 6, start_ns=starts, address=[0, 0, 0, 1, 1, 1])
    summary = analyse(a_run(attempts, acts=2)).summary
    assert summary.rate_per_s == pytest.approx(100)
    assert summary.duration_s == pytest.approx(0.042)
    assert analyse(a_run(latent(MS))).summary.rate_per_s == 0


def test_mines_are_counted_by_place_and_collisions_by_attempt():
    attempts = the_attempts((40000, errno.ETIMEDOUT, 1), (40000, errno.ETIMEDOUT, 1), (40001, 0, 1), (40002, 0, 0))
    summary = analyse(a_run(attempts, the_mines(40000, 40001, 40003, left=(40000, 40003)))).summary
    assert summary.collisions == 3
    assert (summary.mines.laid, summary.mines.hit, summary.mines.left) == (3, 2, 2)


@pytest.mark.parametrize(
    ("ports", "cause"),
    [
        (Ports.KERNEL, "port_exhausted"),
        (Ports.BIND, "port_exhausted"),
        (Ports.SWEEP, "unknown"),
        (Ports.SHUFFLE, "unknown"),
    ],
)
def test_no_port_is_exhaustion_only_where_the_kernel_searched_the_range(ports, cause):
    attempts = the_attempts((40000, 0, 0), (0, errno.EADDRNOTAVAIL, 0))
    run = a_run(attempts, plan=Plan(scenario="test", ports=ports, close=Close.HOLD), ports=1)
    assert {name: count for name, count in analyse(run).summary.causes.items() if count} == {"none": 1, cause: 1}


def test_a_retry_without_a_mine_has_no_known_cause():
    run = a_run(the_attempts((40001, 0, 1), (40001, errno.ETIMEDOUT, 6), latency_ns=SECOND), the_mines(40000))
    assert analyse(run).summary.causes["unknown"] == 2


def test_the_record_s_warnings_come_first():
    run = a_run(the_attempts((40001, 0, 0)), warnings=["The storm was interrupted."])
    first, *others = analyse(run).summary.warnings
    assert first == "The storm was interrupted."
    assert others  # the counters of this run are all zero, its attempts are not
