# SPDX-License-Identifier: MIT
"""Which evidence a run has, and what is named with it."""

import json

import pytest
from command import UNDRAWN, connstorm

from stress.model.plan import EvidenceSource
from stress.store import run_folder

NONE, COUNTS = EvidenceSource.NONE, EvidenceSource.COUNTS
SMALL = ("--port-range", "40000-40031", "--mines", "5")


def carry_out(folder, *arguments):
    """Return the record, the summary and the output of a run by the real command; skip where there can be none."""
    ended = connstorm("run", *arguments, "-o", folder, UNDRAWN)
    if ended.returncode == 1 and "namespace" in ended.stderr:
        pytest.skip(ended.stderr.strip())
    assert ended.returncode == 0, ended.stderr
    (path,) = folder.iterdir()
    observed, summary = run_folder.read(path)
    return observed.record, summary, ended.stdout


def test_without_evidence_nothing_is_read_and_no_collision_is_named(tmp_path):
    record, summary, printed = carry_out(tmp_path, "closewait", *SMALL, "--evidence", "none")
    (act,) = record.acts
    assert act.evidence is NONE
    assert not any((act.counters, act.census_before, act.census_after, act.listening, act.taken))
    assert summary.outcomes["retried"] == summary.causes["unknown"] == 5
    assert not summary.books
    assert not summary.proofs
    assert printed.startswith("closewait: no evidence but the attempts themselves; no books")


def test_what_attempts_prove_by_themselves_is_named_without_evidence(tmp_path):
    arguments = ("clean", "--ports", "kernel", "--close", "hold", "--port-range", "40000-40009", "--attempts", "15")
    _, summary, _ = carry_out(tmp_path, *arguments, "--evidence", "none")
    assert summary.causes["port_exhausted"] == 5
    assert summary.errnos == {"EADDRNOTAVAIL": 5}


def test_counts_are_the_default_and_prove_by_an_equation(tmp_path):
    record, summary, printed = carry_out(tmp_path, "closewait", *SMALL)
    assert record.plan.evidence is record.acts[0].evidence is COUNTS
    (proof,) = [proof for proof in summary.proofs if proof.cause != "stalled"]  # of a busy machine
    assert (proof.cause, proof.grade, proof.attempts) == ("closewait", "counted", 5)
    assert printed.startswith("closewait: proof from counters; the books balance (10 of 10 claims)")


def test_json_has_proofs_bounds_errnos_and_hints(tmp_path):
    ended = connstorm("run", "closewait", *SMALL, "--evidence", "none", "-o", tmp_path, "--json", UNDRAWN)
    if ended.returncode == 1 and "namespace" in ended.stderr:
        pytest.skip(ended.stderr.strip())
    summary = json.loads(ended.stdout)["summary"]
    assert {"proofs", "bounds", "errnos", "hints"} <= set(summary)
    assert "5 unknown" in summary["hints"][0]


def test_hints_of_several_acts_name_their_act(tmp_path):
    arguments = ("port-choice", "--port-range", "40000-40199", "--mines", "60", "--attempts", "100")
    record, summary, _ = carry_out(tmp_path, *arguments, "--evidence", "none")
    names = [act.name for act in record.acts]
    assert summary.hints
    assert all(any(hint.startswith(f"{name}: ") for name in names) for hint in summary.hints)
