# SPDX-License-Identifier: MIT
"""The results of the conditions of a gate, and whether a gate fails when it should."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rich.console import Console

from stress.analysis.comparison.verdict import Unit
from stress.analysis.gate.case import Case, limit_of, must_improve
from stress.analysis.gate.condition import parse_condition
from stress.analysis.gate.evaluate import evaluate_cases, evaluate_values
from stress.analysis.gate.result import State
from stress.analysis.gate.self_test import inject_regressions, worsen_case
from stress.view.text.gate_markdown import markdown
from stress.view.text.gate_table import table as gate_table
from stress.view.text.junit import junit_xml
from stress.view.text.markdown import escape

BASE = dict(enumerate([10_000.0 * (1 + 0.01 * ((trial * 7) % 5 - 2)) for trial in range(14)]))


def a_case(expr, new, base=BASE, *, paired=False, attempts=1_000_000):
    return Case(parse_condition(expr), "row", base, dict(new), Unit.BLOCK if paired else Unit.TRIAL, attempts)


def times(factor):
    return {trial: value * factor for trial, value in BASE.items()}


def evaluate_one(expr, new, base=BASE, **more):
    (result,) = evaluate_cases([a_case(expr, new, base, **more)])
    return result


@pytest.mark.parametrize(
    ("expr", "factor", "state"),
    [
        ("body.p50 <= 1.10x", 1.0, State.HOLDS),
        ("body.p50 <= 1.10x", 0.5, State.HOLDS),
        ("body.p50 <= 1.10x", 1.3, State.BROKEN),
        ("body.p50 <= +10%", 1.3, State.BROKEN),
        ("body.p50 <= +1 us", 1.3, State.BROKEN),
        ("body.p50 <= +5 us", 1.3, State.HOLDS),
        ("rate >= 0.9x", 1.0, State.HOLDS),
        ("rate >= 0.9x", 2.0, State.HOLDS),
        ("rate >= 0.9x", 0.7, State.BROKEN),
        ("rate >= -10%", 0.7, State.BROKEN),
        ("body.p50 <= 0.8x", 0.7, State.HOLDS),  # must get better, and does
        ("body.p50 <= 0.8x", 1.0, State.BROKEN),
        ("rate >= 1.5x", 2.0, State.HOLDS),
        ("rate >= 1.5x", 1.0, State.BROKEN),
    ],
)
@pytest.mark.parametrize("paired", [True, False])
def test_conditions_on_times(expr, factor, state, paired):
    result = evaluate_one(expr, times(factor), paired=paired)
    assert result.state is state
    assert result.effect == pytest.approx(factor, rel=0.01)
    assert result.low <= result.effect <= result.high


@pytest.mark.parametrize(
    ("expr", "base", "new", "state"),
    [
        ("errors <= +0", 0, 0, State.HOLDS),
        ("errors <= +0", 0, 100, State.BROKEN),
        ("errors <= +20%", 0, 100, State.BROKEN),  # of nothing, a fifth is nothing
        ("errors <= 1.2x", 100, 110, State.HOLDS),
        ("errors <= 1.2x", 100, 150, State.BROKEN),
        ("retries_per_million <= +5", 100, 103, State.HOLDS),
        ("retries_per_million <= +5", 100, 120, State.BROKEN),
        ("collisions <= -50", 100, 20, State.HOLDS),
        ("collisions <= -50", 100, 90, State.BROKEN),
    ],
)
def test_conditions_on_counts(expr, base, new, state):
    result = evaluate_one(expr, dict.fromkeys(range(14), float(new)), dict.fromkeys(range(14), float(base)))
    assert result.state is state
    assert result.effect == new - base


def test_a_few_trials_decide_nothing():
    few = {trial: BASE[trial] for trial in range(3)}
    result = evaluate_one("body.p50 <= 1.10x", {trial: value * 3 for trial, value in few.items()}, few)
    assert result.state is State.INCONCLUSIVE
    assert result.more_trials >= 1


def test_noise_larger_than_the_limit_is_inconclusive():
    noisy = dict(enumerate(np.exp(np.random.default_rng(1).normal(9, 0.5, 10))))
    new = dict(enumerate(np.exp(np.random.default_rng(2).normal(9, 0.5, 10))))
    assert evaluate_one("body.p50 <= 1.10x", new, noisy).state is State.INCONCLUSIVE


@pytest.mark.parametrize(
    ("expr", "values", "state"),
    [
        ("errors == 0", [0, 0], State.HOLDS),
        ("errors == 0", [0] * 19 + [1], State.BROKEN),
        ("errors != 0", [1, 2], State.HOLDS),
        ("body.p99 <= 5 ms", [1e6, 2e6], State.HOLDS),
        ("body.p99 <= 5 ms", [6e6], State.BROKEN),
        ("body.p99 <= 5 ms", [1e6, 6e6], State.INCONCLUSIVE),
        ("body.p99 <= 5 ms", [1e6] * 19 + [6e6], State.HOLDS),  # one spoilt trial is no slower machine
        ("errors <= 5", [0] * 19 + [1000], State.INCONCLUSIVE),  # but a burst is a burst
        ("errors <= 5", [0] * 19 + [10], State.HOLDS),
        ("rate >= 1000", [900] * 19 + [1100], State.BROKEN),
    ],
)
def test_conditions_on_the_new_runs_alone(expr, values, state):
    assert evaluate_one(expr, enumerate(map(float, values)), None).state is state


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=30), st.sampled_from(["<=", "<", ">=", ">", "==", "!="]))
def test_a_condition_and_its_opposite_never_both_hold(values, op):
    opposite = {"<=": ">", "<": ">=", ">=": "<", ">": "<=", "==": "!=", "!=": "=="}[op]
    one = evaluate_values(parse_condition(f"body.p50 {op} 1000"), values, counted=False)
    other = evaluate_values(parse_condition(f"body.p50 {opposite} 1000"), values, counted=False)
    assert {one, other} != {State.HOLDS}


def test_without_data_nothing_holds():
    assert evaluate_one("errors == 0", {}).state is State.NO_DATA
    assert evaluate_one("body.p50 <= 1.1x", {}).state is State.NO_DATA
    assert evaluate_one("body.p50 <= 1.1x", BASE, None).state is State.NO_BASELINE
    assert evaluate_one("body.p50 <= 1.1x", BASE, {}).state is State.NO_BASELINE
    assert evaluate_one("errors == 0", {0: 0.0}, None).state is State.HOLDS  # which asks for no baseline


def test_of_many_conditions_a_change_must_be_surer():
    six = {trial: BASE[trial] for trial in range(4)}
    worse = a_case("body.p50 <= 1.10x", {trial: value * 3 for trial, value in six.items()}, six)
    same = a_case("body.p50 <= 1.10x", six, six)
    assert evaluate_cases([worse])[0].state is State.BROKEN
    assert evaluate_cases([worse, *[same] * 9])[0].state is State.INCONCLUSIVE


@given(
    st.lists(st.floats(100, 1e6), min_size=14, max_size=16),
    st.sampled_from(["body.p50 <= 1.1x", "body.p99 <= +20%", "rate >= 0.9x", "retries_per_million <= +5"]),
)
def test_what_is_alike_breaks_nothing_that_allows_something(values, expr):
    alike = dict(enumerate(values))
    assert evaluate_one(expr, alike, alike).state in (State.HOLDS, State.INCONCLUSIVE)
    assert evaluate_one(expr, alike, alike, paired=True).state is State.HOLDS


@given(
    st.floats(0.2, 5),
    st.sampled_from(["body.p50 <= 1.1x", "body.p50 <= 0.5x", "rate >= 0.9x", "rate >= 2x", "errors <= +20%"]),
)
def test_a_larger_change_never_mends_what_a_smaller_one_broke(factor, expr):
    step = 1.5 if "<=" in expr else 1 / 1.5
    one, further = evaluate_one(expr, times(factor)), evaluate_one(expr, times(factor * step))
    assume(one.state is State.BROKEN)
    assert further.state is State.BROKEN


def test_limits_are_in_the_unit_of_the_effect():
    assert limit_of(a_case("body.p50 <= +20%", BASE)) == pytest.approx(1.2)
    assert limit_of(a_case("body.p50 <= +1 us", BASE)) == pytest.approx(1.1, rel=0.01)
    assert limit_of(a_case("errors <= +20%", BASE)) == pytest.approx(2000, rel=0.01)
    assert limit_of(a_case("rate >= -1000000", BASE)) > 0
    assert must_improve(a_case("errors <= -1", BASE))
    assert not must_improve(a_case("errors <= +0", BASE))


EXPRS = [
    "body.p50 <= 1.10x",
    "body.p99 <= +20%",
    "rate >= 0.9x",
    "body.p50 <= 0.8x",
    "rate >= 1.5x",
    "retries_per_million <= +5",
    "errors <= 1.0x",
    "errors == 0",
    "body.p99 <= 5 ms",
    "outcome.connected != 0",
]


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_a_condition_that_is_held_back_neither_holds_nor_is_broken(factor):
    held = replace(a_case("body.p50 <= 1.10x", times(factor)), held_back="the machine was busy")
    result, other = evaluate_cases([held, a_case("body.p50 <= 1.10x", times(1.3))])
    assert (result.state, result.held_back, result.adjusted_p) == (State.INCONCLUSIVE, "the machine was busy", None)
    assert result.effect == pytest.approx(factor)
    assert (other.state, other.held_back, other.unit) == (State.BROKEN, None, Unit.TRIAL)


@pytest.mark.parametrize("width", [80, 120])
def test_why_a_condition_is_held_back_is_said_in_the_table_the_markdown_and_the_junit_file(width):
    held = [replace(a_case(expr, times(2)), held_back="one session each") for expr in EXPRS[:2]]
    results = evaluate_cases(held)
    console = Console(highlight=False, width=width)
    with console.capture() as capture:
        console.print(gate_table(results))
    note = f"Inconclusive (one session each): {held[0].condition} and {held[1].condition}."
    assert note in " ".join(capture.get().split())
    assert escape(note) in markdown(results, [])
    assert junit_xml(results).decode().count(": inconclusive (one session each); ") == 2


def test_one_session_each_decides_nothing_of_a_condition_on_times():
    case = replace(a_case("body.p50 <= 1.10x", {0: 30_000.0}, {0: 10_000.0}), unit=Unit.SESSION)
    (result,) = evaluate_cases([case])
    assert (result.state, result.held_back, result.unit) == (State.INCONCLUSIVE, "one session each", Unit.SESSION)
    (alone,) = evaluate_cases([replace(case, condition=parse_condition("body.p50 <= 20 us"))])
    assert alone.state is State.BROKEN


@pytest.mark.parametrize("paired", [True, False])
def test_a_gate_with_enough_trials_finds_what_is_put_in(paired):
    regressions = inject_regressions([a_case(expr, BASE, paired=paired) for expr in EXPRS[:2]])
    assert all(regression.is_detected for regression in regressions)


@pytest.mark.parametrize("expr", EXPRS)
def test_each_kind_of_condition_can_be_broken(expr):
    (regression,) = inject_regressions([a_case(expr, BASE)])
    assert regression.is_detected
    assert regression.result.row == "row"


@pytest.mark.parametrize("expr", [expr for expr in EXPRS if "x" in expr or "%" in expr or "+" in expr])
def test_a_gate_with_too_few_trials_is_not_to_be_trusted(expr):
    few = {trial: BASE[trial] for trial in range(3)}
    (regression,) = inject_regressions([a_case(expr, few, few)])
    assert not regression.is_detected


def test_the_gate_is_not_to_be_trusted_on_a_noisy_machine():
    noisy = dict(enumerate(np.exp(np.random.default_rng(3).normal(9, 1.0, 8))))
    (regression,) = inject_regressions([a_case("body.p50 <= 1.05x", noisy, noisy)])
    assert not regression.is_detected


@given(st.sampled_from(EXPRS), st.lists(st.floats(1, 1e9), min_size=2, max_size=8))
def test_what_is_put_in_is_what_the_condition_forbids(expr, values):
    base = dict(enumerate(values))
    case, injected = worsen_case(a_case(expr, base, base))
    assert math.isfinite(injected)
    assert set(case.new) == set(base)
    if case.condition.kind == "absolute":
        assert evaluate_values(case.condition, list(case.new.values()), counted=True) is State.BROKEN
