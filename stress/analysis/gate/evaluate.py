# SPDX-License-Identifier: MIT
"""Evaluation of the conditions of a gate: whether each holds for the runs that were measured.

A condition on the new runs alone must hold for every trial: a count that must be zero, and was not in one trial, is
not zero. A condition that compares with a baseline follows the rule of all comparisons. It is broken when the change
is significant, after correction for all conditions (Holm 1979), and beyond what the condition allows; it holds when
the interval of the change stays within that. Between the two it is inconclusive, and without data it neither holds nor
is broken.
"""

import math
import operator
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from stress.analysis.comparison.compare import ALPHA, compare_values, decide
from stress.analysis.comparison.verdict import Comparison, Unit
from stress.analysis.gate.condition import Condition, Operator
from stress.analysis.metric import Metric, find_metric
from stress.analysis.statistics.session import SessionSpread
from stress.analysis.statistics.trials import SURE_LEVEL, TIMED_UNITS, Estimate, median_interval
from stress.model.units import MILLION

Key = TypeVar("Key", bound=Hashable)
Values = Mapping[Key, float]

OPERATORS: dict[Operator, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
LEAST_RATIO = 1e-9  # in place of a ratio of 0 or less, which no measurement has


class State(StrEnum):
    """Whether a condition holds."""

    HOLDS = "holds"
    BROKEN = "broken"
    INCONCLUSIVE = "inconclusive"
    NO_BASELINE = "no-baseline"  # there are no base runs to compare with
    NO_DATA = "no-data"  # the new runs have no value of the metric


@dataclass(frozen=True)
class ConditionResult:
    """The result of a condition in one row.

    Attributes:
        condition: the condition.
        row: name of the row.
        state: whether it holds.
        base: estimate of the base runs; None where the condition needs no baseline, or there is none.
        new: estimate of the new runs; None without data.
        effect: the change, new / base or new - base; None without a comparison.
        low: lower end of its interval.
        high: upper end.
        limit: what the condition allows, in the unit of the effect, or of the metric where there is no effect.
        adjusted_p: p-value of the change, corrected for all conditions.
        more_trials: how many more trials would probably decide; None where it is decided, or no number would.
        shifted: whether the change was tested against the limit itself, because the condition asks for it.
        paired: whether trials were compared within blocks.
        unit: what one value stands for.
        held_back: why it is inconclusive whatever the numbers say, without a full stop; None otherwise.
    """

    condition: Condition
    row: str
    state: State
    base: Estimate | None = None
    new: Estimate | None = None
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    adjusted_p: float | None = None
    more_trials: int | None = None
    shifted: bool = False
    paired: bool = False
    unit: Unit = Unit.TRIAL
    held_back: str | None = None


@dataclass(frozen=True)
class Case:
    """A condition with the values that it is applied to.

    Attributes:
        condition: the condition.
        row: name of the row.
        base: values of the base runs by trial, block or session; None where there is no baseline.
        new: values of the new runs.
        unit: what a value stands for; where it is a block, equal keys are the same one.
        attempts: number of attempts of the smallest trial.
        held_back: why a comparison with the base is inconclusive whatever the values are; None otherwise.
        spread: how far sessions differ, if that is known.
    """

    condition: Condition
    row: str
    base: Values[Hashable] | None
    new: Values[Hashable]
    unit: Unit = Unit.TRIAL
    attempts: int = MILLION
    held_back: str | None = None
    spread: SessionSpread | None = None

    @property
    def metric(self) -> Metric:
        """The metric of the condition."""
        return find_metric(self.condition.metric)


def evaluate_cases(cases: Sequence[Case], alpha: float = ALPHA) -> list[ConditionResult]:
    """Return the result of each case; comparisons with a baseline are corrected together.

    Args:
        cases: conditions with their values.
        alpha: what the corrected p-value of a broken condition must not exceed.
    """
    compared = {index: compare_case(case) for index, case in enumerate(cases) if is_comparable(case)}
    decided = dict(zip(compared, decide(list(compared.values()), alpha), strict=True))
    return [
        evaluate_comparison(case, decided[index], alpha) if index in decided else evaluate_new_runs(case)
        for index, case in enumerate(cases)
    ]


def is_comparable(case: Case) -> bool:
    """Return whether a case needs a baseline, and has the values to compare."""
    return case.condition.kind != "absolute" and bool(case.base) and bool(case.new)


def evaluate_new_runs(case: Case) -> ConditionResult:
    """Return the result of a condition on the new runs alone, or of one that cannot be compared."""
    estimate = median_interval(list(case.new.values()))
    if estimate is None:
        return ConditionResult(case.condition, case.row, State.NO_DATA)
    if case.condition.kind == "absolute":
        state = evaluate_values(case.condition, list(case.new.values()), counted=case.metric.unit not in TIMED_UNITS)
        return ConditionResult(case.condition, case.row, state, new=estimate, limit=case.condition.value)
    return ConditionResult(case.condition, case.row, State.NO_BASELINE, new=estimate)


def evaluate_values(condition: Condition, values: Sequence[float], *, counted: bool) -> State:
    """Return whether an absolute condition holds for values, one per trial.

    Args:
        condition: an absolute one.
        values: one or more.
        counted: whether they are counts or rates of events. These come in bursts, so their mean must agree with their
            median.
    """
    holds = [OPERATORS[condition.op](value, condition.value) for value in values]
    if all(holds):
        return State.HOLDS
    if condition.op in ("==", "!=") or not any(holds):
        return State.BROKEN
    middle = median_interval(values)
    assert middle is not None
    checked = [middle.low, middle.high] + ([math.fsum(values) / len(values)] if counted else [])
    answers = {OPERATORS[condition.op](value, condition.value) for value in checked}
    if middle.level < SURE_LEVEL or len(answers) > 1:
        return State.INCONCLUSIVE
    return State.HOLDS if answers.pop() else State.BROKEN


def limit_of(case: Case) -> float:
    """Return what a condition allows in the unit of the effect: a ratio to the base, or a difference."""
    assert case.base is not None
    value, kind = case.condition.value, case.condition.kind
    middle = median_interval(list(case.base.values()))
    usual = middle.median if middle else 0.0
    if case.metric.unit in TIMED_UNITS:
        if kind == "difference":
            return max((usual + value) / usual, LEAST_RATIO) if usual > 0 else 1.0
        return max(value if kind == "ratio" else 1 + value, LEAST_RATIO)
    if kind == "difference":
        return value
    return usual * (value - 1 if kind == "ratio" else value)


def must_improve(case: Case) -> bool:
    """Return whether a condition asks for an improvement instead of allowing a change."""
    limit, none = limit_of(case), 1.0 if case.metric.unit in TIMED_UNITS else 0.0
    return limit < none if case.condition.op in ("<=", "<") else limit > none


def compare_case(case: Case) -> Comparison:
    """Return the comparison that the result of a condition rests on.

    Where a condition asks for an improvement, the base is moved to the limit of the condition, so that the limit itself
    is tested.
    """
    assert case.base is not None
    limit, timed = limit_of(case), case.metric.unit in TIMED_UNITS
    one_attempt = 0.0 if timed else MILLION / case.attempts if case.metric.unit == "per million" else 1.0
    base: Values[Hashable] = case.base
    if must_improve(case):
        base = {key: value * limit if timed else value + limit for key, value in base.items()}
        least = one_attempt
    else:
        least = max(limit, 1 / limit) - 1 if timed else max(abs(limit), one_attempt)
    return compare_values(
        case.row,
        "base",
        "new",
        case.metric,
        base,
        case.new,
        unit=case.unit,
        threshold=least,
        gating=True,
        held_back=case.held_back,
        spread=case.spread,
    )


def evaluate_comparison(case: Case, measured: Comparison, alpha: float) -> ConditionResult:
    """Return the result of a condition that rests on a comparison."""
    assert case.base is not None
    limit, timed = limit_of(case), case.metric.unit in TIMED_UNITS
    shifted = must_improve(case)
    no_data = ConditionResult(
        case.condition,
        case.row,
        State.NO_DATA,
        base=median_interval(list(case.base.values())),
        new=measured.new_estimate,
        limit=limit,
        adjusted_p=measured.adjusted_p,
        shifted=shifted,
        paired=measured.paired,
        unit=measured.unit,
        held_back=measured.held_back,
    )
    if measured.effect is None or measured.low is None or measured.high is None or measured.level is None:
        return no_data

    def from_base(value: float) -> float:
        """Return a change from the moved base as one from the base itself."""
        return value if not shifted else value * limit if timed else value + limit

    result = replace(
        no_data, effect=from_base(measured.effect), low=from_base(measured.low), high=from_base(measured.high)
    )
    if measured.held_back is not None:
        return replace(result, state=State.INCONCLUSIVE)
    worst, best = (measured.high, measured.low) if case.condition.op in ("<=", "<") else (measured.low, measured.high)
    sign = 1 if case.condition.op in ("<=", "<") else -1
    no_change = 1.0 if timed else 0.0
    tolerated = no_change if shifted else limit
    if measured.level >= SURE_LEVEL and sign * (worst - tolerated) <= 0:
        return replace(result, state=State.HOLDS)
    significant = measured.adjusted_p is not None and measured.adjusted_p <= alpha and sign * (best - no_change) > 0
    if significant and sign * (measured.effect - tolerated) > 0:
        return replace(result, state=State.BROKEN)
    return replace(result, state=State.INCONCLUSIVE, more_trials=measured.more_trials)
