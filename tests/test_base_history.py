# SPDX-License-Identifier: MIT
"""A new session is held against several of a folder, and never against itself."""

import functools
import json
import shutil

import numpy as np
import pytest
from command import connstorm
from session_builders import SESSION_SD, a_session

from stress.analysis.comparison.verdict import Unit
from stress.analysis.gate.result import State
from stress.compare.arms import Question, compare_all, compare_arms
from stress.compare.gate import evaluate_gate, self_test_gate
from stress.model.errors import NoRunsError
from stress.view.text.comparison_wording import method_text

SESSIONS = 14
GATES = ({"expr": "rate >= 0.9x"}, {"expr": "body.p99 <= 1.1x"}, {"expr": "errors == 0"})
gate = functools.partial(connstorm, "gate")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of fourteen sessions of one suite, and two folders besides it: a slow and a much slower one."""
    home, rng = tmp_path_factory.mktemp("sessions"), np.random.default_rng(19)
    for number in range(SESSIONS):
        a_session(home / "history", number, rng, gates=GATES)
    a_session(home / "new", 20, rng, gates=GATES, factor=1.05)
    a_session(home / "slow", 21, rng, gates=GATES, factor=4.0)
    return home


def question(home, new, **options):
    return Question(arms=(f"new={new}",), base_history=home / "history", results=home / "none", **options)


def gated(home, new):
    """Return the result of each condition by its metric."""
    return {result.condition.metric: result for result in evaluate_gate(question(home, new), ()).conditions}


def only(path):
    (inside,) = path.iterdir()
    return inside


def test_of_sessions_in_which_nothing_changed_hardly_one_closes_the_gate(folder):
    closed = []
    for path in sorted((folder / "history").iterdir()):
        results = evaluate_gate(question(folder, path), ()).conditions
        rate = next(result for result in results if result.condition.metric == "rate")
        assert (rate.unit, rate.base.trials, rate.new.trials) == (Unit.SESSION, SESSIONS - 1, 1)
        closed.append(any(result.state is State.BROKEN for result in results))
    assert sum(closed) <= 1


def test_what_exceeds_what_sessions_differ_by_closes_the_gate(folder):
    results = gated(folder, only(folder / "slow"))
    assert results["rate"].state is State.BROKEN
    assert results["body.p99"].state is State.BROKEN
    assert results["errors"].state is State.HOLDS


def test_a_copy_of_the_new_session_is_no_base_either(folder, tmp_path):
    shutil.copytree(folder / "history", tmp_path / "history")
    new = only(folder / "new")
    shutil.copytree(new, tmp_path / "history" / new.name)
    results = evaluate_gate(question(tmp_path, new), ()).conditions
    assert results[0].base.trials == SESSIONS


def test_the_newest_sessions_are_the_base(folder):
    asked = question(folder, only(folder / "new"), last=3)
    (pair,) = compare_arms(asked).pairs
    assert sorted({run.started_utc[:10] for run in pair.base_runs.values()}) == [
        "2026-11-12",
        "2026-11-13",
        "2026-11-14",
    ]


def test_sessions_that_cannot_be_compared_are_left_out_and_named(folder, tmp_path):
    rng = np.random.default_rng(1)
    for number in range(6):
        a_session(tmp_path / "history", number, rng, **({"kernel": "5.10.0"} if number % 2 else {}))
    (tmp_path / "history" / "20261130T000000Z-suite-broken-00dead").mkdir()
    (tmp_path / "history" / "20261130T000000Z-suite-broken-00dead" / "suite.json").write_text("{")
    asked = question(tmp_path, only(folder / "new"))
    matched = compare_arms(asked)
    rate = next(comparison for comparison in compare_all(matched, []) if comparison.metric == "rate")
    assert rate.base_estimate.trials == 3
    (kernel,) = (text for text in matched.warnings if "kernel" in text)
    assert kernel.startswith("3 runs and suites of ")
    assert "left out, for they differ in their kernel (kernel 5.10.0 against " in kernel
    assert any("broken-00dead" in text and "left out: " in text for text in matched.warnings)
    allowed = compare_arms(question(tmp_path, only(folder / "new"), allowed=["kernel"]))
    assert len({run.session for pair in allowed.pairs for run in pair.base_runs.values()}) == 6


def test_without_a_session_that_can_be_compared_there_is_no_baseline(folder, tmp_path):
    a_session(tmp_path / "history", 0, np.random.default_rng(1), plan={"window": 7})
    asked = question(tmp_path, only(folder / "new"))
    result = evaluate_gate(asked, ())
    assert {condition.state for condition in result.conditions} == {State.NO_BASELINE, State.HOLDS}
    assert any("window" in text for text in result.warnings)
    with pytest.raises(NoRunsError, match="has no session that can be compared"):
        compare_arms(asked)


def test_a_folder_of_several_suites_is_the_same_base(folder):
    new = only(folder / "new")
    ours = compare_all(compare_arms(question(folder, new)), [])
    assert "by sessions in 6 (14 against 1)" in method_text(ours)
    theirs = compare_all(
        compare_arms(Question(arms=(str(folder / "history"), f"new={new}"), results=folder / "none")), []
    )
    assert [(one.metric, one.effect, one.p) for one in ours] == [(one.metric, one.effect, one.p) for one in theirs]


def test_several_new_sessions_find_a_smaller_change(folder, tmp_path):
    rng = np.random.default_rng(3)
    for number in range(20, 24):
        a_session(tmp_path / "new", number, rng, gates=GATES, factor=float(np.exp(3 * SESSION_SD)))
    results = {
        result.condition.metric: result for result in evaluate_gate(question(folder, tmp_path / "new"), ()).conditions
    }
    assert results["rate"].new.trials == 4
    assert results["rate"].state is State.BROKEN


def test_the_self_test_has_as_many_new_sessions_as_there_are(folder):
    injected, _ = self_test_gate(question(folder, only(folder / "new")), ())
    rate = next(regression for regression in injected if regression.result.condition.metric == "rate")
    assert (rate.result.base.trials, rate.result.new.trials) == (SESSIONS - 1, 1)
    assert not rate.is_detected  # a fifth is less than what sessions of this machine differ by


def test_the_command_says_what_is_compared_and_refuses_a_second_base(folder):
    ended = gate(only(folder / "new"), "--base-history", "history", "-o", "out", "--json", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    verdict = json.loads(ended.stdout)
    assert verdict["base"] == "history"
    assert {(row["base_trials"], row["new_trials"]) for row in verdict["conditions"] if row["effect"]} == {
        (SESSIONS, 1)
    }
    ended = gate("history", only(folder / "new"), "--base-history", "history", cwd=folder)
    assert (ended.returncode, "give NEW alone" in ended.stderr) == (2, True)
