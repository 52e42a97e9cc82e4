# SPDX-License-Identifier: MIT
"""Kernel counters as metrics of stored runs."""

import json
from dataclasses import replace

import pytest
from stored import a_document, a_suite, jittered

from stress.analysis.comparison.counter_metric import value_of
from stress.analysis.comparison.moved_counters import counters_of, describe_moved_counters
from stress.analysis.comparison.verdict import Verdict
from stress.analysis.gate.result import State
from stress.analysis.history.history import HistoryFilter, build_history
from stress.analysis.metric import find_metric
from stress.compare.arms import Question, compare_all, compare_arms
from stress.compare.gate import evaluate_gate
from stress.model.errors import UsageError
from stress.store.runs import read_arm, read_observation
from stress.view.export.column import columns
from stress.view.export.exporter import Exporter

TIMEOUTS = "counter.TCPTimeouts.per_million"


def counting(documents, **counters):
    """Return documents whose acts have counted so many."""
    for document in documents:
        for act in document["acts"]:
            act["counters"] |= counters
    return documents


@pytest.fixture
def arms(tmp_path):
    """Return two suites of one session; in the second the timer of ten connections in 10,000 expired."""
    old = counting(jittered(14), TCPTimeouts=0, ListenDrops=0)
    new = counting(jittered(14), TCPTimeouts=10, ListenDrops=0)
    base = a_suite(tmp_path / "old", {"closewait": old})
    return str(base), str(a_suite(tmp_path / "new", {"closewait": new}, first_block=14))


def test_a_counter_that_rose_is_a_regression(arms):
    names = (TIMEOUTS, "counter.ListenDrops", "counter.ActiveOpens")
    times_out, dropped, opened = compare_all(compare_arms(Question(arms=arms)), names)
    assert (times_out.verdict, times_out.effect) == (Verdict.REGRESSED, 1_000)
    assert dropped.verdict is Verdict.EQUIVALENT, "zero is zero"
    assert opened.verdict in {Verdict.EQUIVALENT, Verdict.INCONCLUSIVE}


def test_counters_are_no_part_of_what_is_compared_by_default(arms):
    assert not any(one.metric.startswith("counter.") for one in compare_all(compare_arms(Question(arms=arms)), ()))


def test_a_gate_may_ask_for_a_counter(arms):
    exprs = (f"{TIMEOUTS} <= +5", "counter.TCPTimeouts <= 20", "counter.ListenDrops == 0")
    states = [one.state for one in evaluate_gate(Question(arms=arms), exprs).conditions]
    assert states == [State.BROKEN, State.HOLDS, State.HOLDS]


UNKNOWN = "counter.TCPTimeout.per_million"
ASKED = {
    "compare": lambda arms: compare_all(compare_arms(Question(arms=arms)), (UNKNOWN,)),
    "gate": lambda arms: evaluate_gate(Question(arms=arms), (f"{UNKNOWN} <= +5",)),
    "history": lambda arms: build_history(read_arm(arms[0]), HistoryFilter((UNKNOWN,)), ()),
    "export": lambda arms: Exporter(read_arm(arms[0]), "benchfmt", (UNKNOWN,), None),
}


@pytest.mark.parametrize("ask", ASKED)
def test_an_unknown_counter_is_refused_with_a_suggestion(arms, ask):
    with pytest.raises(UsageError, match=r"No run has a counter 'TCPTimeout'\. Did you mean TCPTimeouts\? There are "):
        ASKED[ask](arms)


def test_a_history_and_an_export_have_counters(arms):
    runs = read_arm(arms[1])
    (track,) = build_history(runs, HistoryFilter((TIMEOUTS,)), ()).tracks
    assert track.series.medians == [1_000]
    (column,) = columns(runs, None)
    (sample,) = column.samples([find_metric(TIMEOUTS)])
    assert set(sample.values) == {1_000}


def test_a_counter_is_the_sum_of_all_acts_and_no_value_where_one_did_not_record_it(tmp_path):
    document = a_document()
    (act,) = document["acts"]
    acts = [act | {"counters": {"TCPTimeouts": 3, "ListenDrops": 1}}, act | {"counters": {"TCPTimeouts": 4}}]
    (tmp_path / "run.json").write_text(json.dumps(document | {"acts": acts}))
    run = read_observation(tmp_path, "")
    assert value_of(find_metric("counter.TCPTimeouts"), run) == 7
    assert value_of(find_metric("counter.ListenDrops"), run) is None


def test_counters_are_read_only_when_one_is_asked_for(arms):
    def fails():
        raise AssertionError

    run = replace(read_arm(arms[0])[0], read_counters=fails)
    assert value_of(find_metric("rate"), run)
    with pytest.raises(AssertionError):
        value_of(find_metric("counter.TCPTimeouts"), run)


def test_a_regression_of_retries_names_the_counters_that_rose(tmp_path):
    old = counting(jittered(14), TCPTimeouts=0, TCPSYNChallenge=3, ListenDrops=0)
    new = counting(jittered(14, retried=12), TCPTimeouts=12, TCPSYNChallenge=3, ListenDrops=0)
    base = a_suite(tmp_path / "old", {"closewait": old})
    arms = str(base), str(a_suite(tmp_path / "new", {"closewait": new}, first_block=14))
    matched = compare_arms(Question(arms=arms))
    comparisons = compare_all(matched, ())
    (text,) = describe_moved_counters(comparisons, matched.pairs)
    assert text.endswith("counters that rose with what regressed, per million attempts: TCPTimeouts +1,200")
    assert describe_moved_counters([one for one in comparisons if one.metric == "rate"], matched.pairs) == []


def test_a_gate_that_is_closed_by_retries_names_the_counters_that_rose(tmp_path):
    old = counting(jittered(14), TCPTimeouts=0, ListenDrops=0)
    new = counting(jittered(14, retried=12), TCPTimeouts=12, ListenDrops=0)
    base = a_suite(tmp_path / "old", {"closewait": old})
    arms = str(base), str(a_suite(tmp_path / "new", {"closewait": new}, first_block=14))
    result = evaluate_gate(Question(arms=arms), ["retries_per_million <= +10%"])
    assert [condition.state for condition in result.conditions] == [State.BROKEN]
    (text,) = [warning for warning in result.warnings if "counters that rose" in warning]
    assert text.endswith("per million attempts: TCPTimeouts +1,200")
    same = evaluate_gate(Question(arms=(arms[0], f"same={arms[0]}")), ["retries_per_million <= +10%"])
    assert not [warning for warning in same.warnings if "counters that rose" in warning]


def test_the_counters_of_a_cause_are_those_of_its_rules():
    assert "TCPSYNChallenge" in counters_of("cause.closewait.per_million")
    assert counters_of("rate") == counters_of("body.p99") == []
