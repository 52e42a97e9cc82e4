# SPDX-License-Identifier: MIT
"""Arms that share no session, or only some: what is compared with what."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from session_builders import SESSION_SD, TRIAL_SD, TRIALS, a_session
from stored import FROZEN
from test_calibrate import a_calibration

from stress.analysis.comparison.arm_pair import describe_sessions, pair_arms
from stress.analysis.comparison.metric_family import metric_families
from stress.analysis.comparison.pairs import compare_pairs
from stress.analysis.comparison.session_spread import pair_spread
from stress.analysis.comparison.sessions import ONE_EACH, session_values
from stress.analysis.comparison.verdict import Unit, Verdict
from stress.analysis.metric import find_metric
from stress.compare.arms import Question, compare_all, compare_arms
from stress.model.calibration import SessionNoise
from stress.store.runs import read_arm

P50 = find_metric("body.p50")
TIMED = ("rate", "duration", "body.p50", "body.p90", "body.p99", "body.p999")
SESSIONS = 14


@pytest.fixture(scope="module")
def suites(tmp_path_factory):
    """Return folders of suites of one file, each of a session of its own."""
    folder, rng = tmp_path_factory.mktemp("suites"), np.random.default_rng(14)
    return [a_session(folder, number, rng) for number in range(SESSIONS)]


@pytest.fixture(scope="module")
def sessions(suites):
    """Return the runs of each suite."""
    return [read_arm(str(path), path.name) for path in suites]


def compared(base, new, calibration=None, others=()):
    """Return the comparisons of two arms in the usual metrics."""
    pair = pair_arms("", "base", "new", base, new)
    return compare_pairs([pair], metric_families([*base, *new]), calibration, others)


def verdicts(comparisons):
    return {comparison.verdict for comparison in comparisons if comparison.metric in TIMED}


def changes(comparisons):
    return verdicts(comparisons) & {Verdict.REGRESSED, Verdict.IMPROVED}


def calibrated(sd, df=19):
    """Return a calibration by which the times of sessions differ so much."""
    noise = dict.fromkeys(TIMED, SessionNoise(sd=sd, df=df, trials=TRIALS))
    scenarios = dict.fromkeys(("clean", "closewait"), noise)
    return msgspec.structs.replace(a_calibration(), sessions=scenarios)


def pairs_of(sessions):
    return [(old, new) for place, old in enumerate(sessions) for new in sessions[place + 1 :]]


def test_no_pair_of_the_same_suite_is_decided_while_nobody_knows_how_far_sessions_differ(sessions):
    for old, new in pairs_of(sessions):
        timed = [comparison for comparison in compared(old, new) if comparison.metric in TIMED]
        assert {comparison.unit for comparison in timed} == {Unit.SESSION}
        assert {comparison.held_back for comparison in timed} == {ONE_EACH}
        assert verdicts(timed) == {Verdict.INCONCLUSIVE}


def test_by_their_trials_most_pairs_of_the_same_suite_would_have_changed(sessions):
    alike = [[replace(run, session="one", group=run.path.parts[-4]) for run in runs] for runs in sessions]
    changed = sum(bool(changes(compared(old, new))) for old, new in pairs_of(alike))
    assert changed > 0.9 * len(pairs_of(alike))


def test_with_a_calibration_hardly_a_pair_of_the_same_suite_has_changed(sessions):
    known = calibrated(float(np.hypot(SESSION_SD, TRIAL_SD)))
    changed = sum(bool(changes(compared(old, new, known))) for old, new in pairs_of(sessions))
    assert changed <= 0.05 * len(pairs_of(sessions))


def test_a_change_that_exceeds_what_sessions_differ_by_is_found(sessions):
    slow = [replace(run, summary=slower(run.summary, 1.5)) for run in sessions[1]]
    assert changes(compared(sessions[0], slow, calibrated(0.03))) == {Verdict.REGRESSED}


def slower(summary, factor):
    body = summary.body
    times = {name: round(getattr(body, name) * factor) for name in body.__struct_fields__ if getattr(body, name)}
    return msgspec.structs.replace(summary, body=msgspec.structs.replace(body, **times))


def test_the_history_of_the_machine_says_how_far_sessions_differ_where_no_calibration_does(sessions):
    others = [run for runs in sessions[2:] for run in runs]
    pair = pair_arms("", "base", "new", sessions[0], sessions[1])
    spread = pair_spread(pair, P50, None, [*others, *sessions[0]])  # what is compared says nothing
    values = list(session_values(others, P50).values())
    assert spread is not None
    assert (spread.sd, spread.df) == (pytest.approx(np.log(values).std(ddof=1)), SESSIONS - 3)
    assert all(comparison.held_back is None for comparison in compared(sessions[0], sessions[1], others=others))


@pytest.mark.parametrize(
    "change",
    [
        lambda run: replace(run, host=msgspec.structs.replace(run.host, cpu="another")),
        lambda run: replace(run, host=msgspec.structs.replace(run.host, kernel="5.10.0")),
        lambda run: replace(run, plan=msgspec.structs.replace(run.plan, window=7)),
        lambda run: replace(run, settings=run.settings | {"net.ipv4.tcp_timestamps": "0"}),
        lambda run: replace(run, measures=False),
    ],
    ids=["testbed", "kernel", "plan", "settings", "in parallel"],
)
def test_a_history_that_cannot_be_compared_says_nothing(sessions, change):
    others = [change(run) for runs in sessions[2:] for run in runs]
    assert pair_spread(pair_arms("", "base", "new", sessions[0], sessions[1]), P50, None, others) is None


def test_sessions_of_different_programs_are_not_held_against_each_other(sessions):
    others = [replace(run, program=f"connstorm {number}") for number, runs in enumerate(sessions[2:]) for run in runs]
    assert pair_spread(pair_arms("", "base", "new", sessions[0], sessions[1]), P50, None, others) is None


def test_sessions_of_fewer_trials_than_the_calibration_had_are_taken_to_differ_by_more(sessions):
    few = [run for run in sessions[1] if run.block < 2]
    of_all, of_few = (
        pair_spread(pair_arms("", "base", "new", sessions[0], new), P50, calibrated(0.1), ())
        for new in (sessions[1], few)
    )
    assert of_few.sd == pytest.approx(of_all.sd * (TRIALS / 2) ** 0.5)


def test_counts_are_compared_by_trials_whatever_the_sessions(sessions):
    comparisons = {comparison.metric: comparison for comparison in compared(sessions[0], sessions[1])}
    assert comparisons["errors_per_million"].unit is Unit.TRIAL
    assert comparisons["errors_per_million"].effect == 0
    assert comparisons["errors_per_million"].new_estimate.trials == TRIALS


def test_several_base_sessions_say_by_themselves_how_far_they_differ(sessions):
    base = [run for runs in sessions[:-1] for run in runs]
    comparisons = {comparison.metric: comparison for comparison in compared(base, sessions[-1], calibrated(1e-6))}
    rate = comparisons["rate"]
    assert (rate.unit, rate.base_estimate.trials, rate.new_estimate.trials) == (Unit.SESSION, SESSIONS - 1, 1)
    assert not changes(comparisons.values())  # the calibration would say otherwise


def test_of_arms_that_share_a_session_only_its_trials_are_compared(sessions):
    base = [*sessions[0][:3], *sessions[1]]
    new = [*sessions[0][3:], *sessions[2]]
    pair = pair_arms("", "base", "new", base, new)
    assert (pair.is_apart, pair.paired, pair.left_out) == (False, False, 2 * TRIALS)
    assert {run.session for run in pair.runs} == {sessions[0][0].session}
    assert pair.unit(P50) is Unit.TRIAL


def test_a_block_that_went_on_in_another_session_makes_no_pair():
    runs = [run for run in read_arm(str(FROZEN)) if run.cell.startswith("closewait")]
    base = [run for run in runs if run.baseline]
    new = [run for run in runs if not run.baseline and run.cell == "closewait tcp_timestamps=0"]
    assert pair_arms("", "a", "b", base, new).paired
    resumed = [replace(run, session="later") if run.block else run for run in new]
    later = [replace(run, session="later") if run.block > 1 else run for run in base]
    pair = pair_arms("", "a", "b", later, resumed)
    assert pair.paired
    assert {key[2] for key in set(pair.base_runs) & set(pair.new_runs)} == {run.block for run in base} - {1}


def test_runs_that_the_new_arm_has_as_well_are_no_base(suites):
    question = Question(arms=(f"all={suites[0].parent}", f"new={suites[3]}"), results=suites[0].parent / "none")
    matched = compare_arms(question)
    assert f"{TRIALS} runs of all left out of it: the other arm has the same" in matched.warnings
    rate = next(comparison for comparison in compare_all(matched, []) if comparison.metric == "rate")
    assert (rate.base_estimate.trials, rate.new_estimate.trials) == (SESSIONS - 1, 1)


def busy_runs(runs, count):
    return [replace(run, busy=("load 5.2 before",) if place < count else ()) for place, run in enumerate(runs)]


def test_sessions_in_which_the_machine_was_busy_are_left_out_of_times_and_counts_go_on(sessions):
    base = [run for runs, count in zip(sessions, (2, 0, 1), strict=False) for run in busy_runs(runs, count)]
    pair = pair_arms("", "base", "new", base, sessions[3])
    assert set(pair.values(P50)[0]) == {sessions[1][0].session, sessions[2][0].session}
    assert len(pair.values(find_metric("errors_per_million"))[0]) == 3 * TRIALS
    left_out = "1 of 3 sessions of base left out of the comparison of times"
    assert describe_sessions([pair]) == [f"{left_out}: the machine was busy in more than a quarter of their trials"]
    allowed = pair_arms("", "base", "new", base, sessions[3], allow_busy=True)
    assert (len(allowed.values(P50)[0]), describe_sessions([allowed])) == (3, [])


def test_an_arm_that_was_busy_in_all_of_its_sessions_is_not_made_empty(sessions):
    pair = pair_arms("", "base", "new", busy_runs(sessions[0], 0), busy_runs(sessions[1], TRIALS))
    assert len(pair.values(P50)[1]) == 1
    assert describe_sessions([pair]) == []
