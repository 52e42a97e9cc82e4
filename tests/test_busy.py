# SPDX-License-Identifier: MIT
"""Whether the machine was quiet during a run, by what was measured of it."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from stored import a_suite, jittered, stalls
from suite_builders import a_summary, trials_of

from stress.analysis.comparison.suite_comparison import compare_cells
from stress.analysis.comparison.verdict import Verdict
from stress.analysis.gate.condition import parse_condition
from stress.analysis.gate.result import State
from stress.compare.arms import Question, compare_all, compare_arms
from stress.compare.gate import evaluate_gate
from stress.compare.report import ReportQuestion, read_document
from stress.model.busy import (
    STALLED_SHARE_MAX,
    STOLEN_TICK_MS,
    busy_reasons,
    is_mostly_busy,
    stalled_share,
)
from stress.model.record import Phase
from stress.model.stall import Stall, StallKind
from stress.model.suite import Settle
from stress.store import suite_folder
from stress.store.runs import read_observation
from stress.suite.cell_results import read_cell_trials
from stress.view.text.gate_wording import sentence
from stress.view.text.suite_table import suite_table

MS_NS = 1_000_000
JIFFY_NS = 4 * MS_NS
STORM_MS = 250
DATA = Path(__file__).parent / "data"


@dataclass
class Storm:
    """A storm of a quarter of a second, and 5 s of stragglers."""

    stalls: list = field(default_factory=list)
    stalls_missed: int = 0
    stolen_ms: int = 0
    phases: tuple = (
        Phase("set-up", -40 * MS_NS, 0),
        Phase("storm", 0, STORM_MS * MS_NS),
        Phase("stragglers", STORM_MS * MS_NS, 5_000 * MS_NS),
    )


def a_stall(start_ms, end_ms):
    return Stall(start_ms * MS_NS, end_ms * MS_NS, StallKind.LOOP, 0)


def settle(*, settled, load=0.4):
    return Settle(waited_s=1.0, settled=settled, load=load, running=0, time_wait=0)


def reasons(*storms, before=None, cpus=2, workers=1):
    return busy_reasons(before, storms, cpus=cpus, workers=workers, jiffy_ns=JIFFY_NS)


def test_a_quiet_run_has_no_reason():
    assert reasons(Storm()) == reasons(Storm(), before=settle(settled=True, load=2.5)) == ()


def test_a_machine_that_did_not_become_idle_was_busy():
    assert reasons(Storm(), before=settle(settled=False, load=5.23)) == ("not idle before (load 5.2)",)


def test_stalls_count_by_the_share_of_the_time_in_which_attempts_were_started():
    assert reasons(Storm([a_stall(100, 200)])) == ("stalls in 40 % of the storm",)
    assert reasons(Storm([a_stall(300, 400), a_stall(240, 300)])) == ("stalls in 4 % of the storm",)
    assert reasons(Storm([a_stall(300, 4_000)])) == (), "nothing was started any more"
    assert reasons(Storm([a_stall(100, 105)])) == (), "5 ms of 250 are 2 %"


def test_stalls_of_several_workers_are_shares_of_the_time_of_all():
    assert reasons(Storm([a_stall(100, 110)]), workers=4) == ()
    assert reasons(Storm([a_stall(100, 110)]), workers=1) == ("stalls in 4 % of the storm",)


def test_stalls_that_found_no_room_last_a_jiffy_at_least():
    assert reasons(Storm(stalls_missed=1)) == ()
    assert reasons(Storm(stalls_missed=10)) == ("stalls in 16 % of the storm",)


def test_one_tick_of_stolen_time_is_none():
    short = Storm(stolen_ms=STOLEN_TICK_MS, phases=(Phase("set-up", -1, 0), Phase("storm", 0, MS_NS)))
    assert reasons(short) == (), "the counter's resolution"
    assert reasons(Storm(stolen_ms=130)) == ("130 ms stolen",), "of 5 s of two CPUs"
    assert reasons(Storm(stolen_ms=130), cpus=64) == ()


@given(st.lists(st.tuples(st.integers(-100, 6_000), st.integers(0, 500)), max_size=20), st.integers(1, 8))
def test_a_share_is_one(spans, workers):
    storm = Storm([a_stall(start, start + length) for start, length in spans], stalls_missed=3)
    share = stalled_share([storm], workers=workers, jiffy_ns=JIFFY_NS)
    assert 0 <= share <= 1
    assert bool(reasons(storm, workers=workers)) == (share > STALLED_SHARE_MAX)


@pytest.mark.parametrize(("busy", "trials", "mostly"), [(0, 0, False), (1, 4, False), (2, 4, True), (4, 14, True)])
def test_more_than_a_quarter_of_the_trials_is_too_much(busy, trials, mostly):
    assert is_mostly_busy(busy, trials) is mostly


def test_a_stored_run_remembers_its_stalls(tmp_path):
    document = json.loads((DATA / "run-schema-3" / "run.json").read_text())
    act = document["acts"][0]
    storm = next(phase for phase in act["phases"] if phase["name"] == "storm")
    length_ns = storm["end_ns"] - storm["start_ns"]
    stall = {"start_ns": storm["start_ns"], "end_ns": storm["start_ns"] + length_ns // 2, "kind": "loop", "worker": 0}
    act["stalls"] = [stall]
    document["acts"] = [act]
    (tmp_path / "run.json").write_text(json.dumps(document))
    run = read_observation(tmp_path, "")
    assert run.is_busy
    assert run.busy[-1] == "stalls in 25 % of the storm", "one of two workers stood still for half of it"
    assert read_observation(tmp_path, "", settle=settle(settled=False)).busy[0] == "not idle before (load 0.4)"


def compared(folders, **options):
    """Return what ``compare`` finds, by metric, and its warnings."""
    matched = compare_arms(Question(arms=folders, **options))
    return {comparison.metric: comparison for comparison in compare_all(matched, ())}, " ".join(matched.warnings)


def two_suites(tmp_path, *, busy, trials=14):
    """Return two suites of one session, the second with so many busy trials, whose times are worse."""
    usual = jittered(trials)
    worse = jittered(trials, rate=22_800.0, p99=42_000, retried=900)
    for number in range(busy):
        worse[number]["acts"][0]["stalls"] = stalls(worse[number]["acts"][0], 0.43)
    base = a_suite(tmp_path / "old", {"closewait": usual})
    new = a_suite(tmp_path / "new", {"closewait": worse}, first_block=trials)
    return str(base), str(new)


def test_times_of_a_busy_machine_decide_nothing_and_counts_do(tmp_path):
    """As seen: p99 ×2.33 and rate ×0.57, without a warning, though all trials had been recorded as busy."""
    results, said = compared(two_suites(tmp_path, busy=14))
    assert results["rate"].verdict == results["body.p99"].verdict == "inconclusive"
    assert results["rate"].held_back == "the machine was busy in 14 of 14 trials of new"
    assert results["rate"].p is None
    assert results["retries_per_million"].verdict == "regressed"
    assert "the machine was busy in 14 of 14 trials of new (stalls in 43 % of the storm, and 13 more)" in said


def test_a_quarter_of_busy_trials_is_said_and_compared(tmp_path):
    results, said = compared(two_suites(tmp_path, busy=3))
    assert results["rate"].verdict == "regressed"
    assert "busy in 3 of 14 trials of new" in said


def test_the_page_of_a_comparison_says_it_in_red(tmp_path):
    document = read_document(ReportQuestion(arguments=list(two_suites(tmp_path, busy=3))))
    (notice,) = [notice for notice in document.notices if "busy in 3 of 14 trials" in notice.text]
    assert (notice.word, notice.grave) == ("busy machine", True)


def test_a_user_may_compare_a_busy_machine(tmp_path):
    results, said = compared(two_suites(tmp_path, busy=14), allow_busy=True)
    assert results["rate"].verdict == "regressed"
    assert "busy in 14 of 14 trials of new" in said
    assert "--allow-busy" in said


def test_a_quiet_machine_is_not_mentioned(tmp_path):
    results, said = compared(two_suites(tmp_path, busy=0))
    assert results["rate"].verdict == "regressed"
    assert "busy" not in said


def test_the_table_of_a_suite_counts_busy_trials(tmp_path):
    first, second = jittered(2)
    first["acts"][0]["stalls"] = stalls(first["acts"][0], 0.43)
    path = a_suite(tmp_path / "suite", {"closewait": [first, second]})
    console = Console(highlight=False, width=112)
    with console.capture() as capture:
        console.print(suite_table(read_cell_trials(path, suite_folder.read(path))))
    printed = capture.get()
    assert "1 busy" in printed
    assert "The machine was busy in 1 of 2 trials (stalls in 43 % of the storm)." in printed


def test_a_suite_marks_no_time_of_a_busy_cell():
    quiet = trials_of([a_summary()] * 14, baseline=True)
    slower = trials_of([a_summary(rate=22_800.0, p99=42_000, retried=900)] * 14, levels={"x": 2})
    busy = replace(slower, busy=dict.fromkeys(range(4), ("stalls in 43 % of the storm",)))
    marked = {one.metric for one in compare_cells([quiet, slower]).comparisons if one.verdict is Verdict.REGRESSED}
    still = {one.metric for one in compare_cells([quiet, busy]).comparisons if one.verdict is Verdict.REGRESSED}
    assert {"rate", "body.p99", "retries_per_million"} <= marked
    assert "retries_per_million" in still
    assert not {"rate", "body.p99"} & still


CONDITIONS = ("rate >= 0.9x", "body.p99 <= 30 us", "body.p99 <= 1 ms", "retries_per_million <= +5")


def gated(folders, **options):
    result = evaluate_gate(Question(arms=folders, **options), CONDITIONS)
    return {str(one.condition): one for one in result.conditions}, result


def test_a_gate_decides_no_time_of_a_busy_machine(tmp_path):
    conditions, result = gated(two_suites(tmp_path, busy=5))
    states = [conditions[str(parse_condition(text))].state for text in CONDITIONS]
    assert states == [State.INCONCLUSIVE, State.INCONCLUSIVE, State.HOLDS, State.BROKEN]
    reason = "the machine was busy in 5 of 14 trials of new"
    assert reason in sentence(conditions[str(parse_condition(CONDITIONS[0]))])
    assert reason in sentence(conditions[str(parse_condition(CONDITIONS[1]))])
    assert any(text.startswith(f"{reason} (stalls in 43 % of the storm, and 4 more)") for text in result.warnings)
    assert result.allowed == []


def test_a_gate_that_allows_a_busy_machine_names_it(tmp_path):
    conditions, result = gated(two_suites(tmp_path, busy=5), allow_busy=True)
    assert {str(text) for text, one in conditions.items() if one.state is State.BROKEN} == {
        str(parse_condition(text)) for text in (CONDITIONS[0], CONDITIONS[1], CONDITIONS[3])
    }
    assert result.allowed == ["busy"]


def test_a_quiet_gate_that_would_allow_it_names_nothing(tmp_path):
    _, result = gated(two_suites(tmp_path, busy=0), allow_busy=True)
    assert result.allowed == []


@pytest.mark.parametrize(
    ("busy", "unknown", "state"),
    [
        ({1}, {1}, State.INCONCLUSIVE),
        ({1, 2}, {1}, State.INCONCLUSIVE),
        ({1}, {1, 2}, State.BROKEN),
        (set(), {1}, State.BROKEN),
        ({1}, set(), State.HOLDS),
    ],
)
def test_an_unknown_cause_of_a_busy_trial_alone_breaks_no_gate(tmp_path, busy, unknown, state):
    """As seen: one attempt of 4.08 ms, one jiffy, on a machine at load 6 closed the gate of the smoke suite."""
    trials = jittered(3)
    for number in unknown:
        trials[number]["summary"]["causes"]["unknown"] = 1
    for number in busy:
        trials[number]["acts"][0]["stalls"] = stalls(trials[number]["acts"][0], 0.43)
    folders = ("none", str(a_suite(tmp_path / "new", {"closewait": trials})))
    (held,) = evaluate_gate(Question(arms=folders), ["cause.unknown == 0"]).conditions
    assert held.state is state
    assert ("the machine was busy in 1 trial with unknown causes" in sentence(held)) == (state is State.INCONCLUSIVE)
    if unknown:
        (seen,) = evaluate_gate(Question(arms=folders, allow_busy=True), ["cause.unknown == 0"]).conditions
        assert seen.state is State.BROKEN
