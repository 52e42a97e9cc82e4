# SPDX-License-Identifier: MIT
"""Ruling: whether a condition of a gate holds of what was measured.

Of the new runs alone, every trial is a witness: a count that must be zero, and once was not, is not. Against a baseline
the rule is that of every comparison: a condition is broken when the change is sure, after correction for all conditions
(Holm 1979), and beyond what the condition allows; it holds when the interval of the change stays within. Between the
two it is inconclusive, and without data it neither holds nor is broken.
"""

import math
import operator
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from stress.analysis.comparison.compare import ALPHA, compare_values, decide
from stress.analysis.comparison.verdict import Comparison
from stress.analysis.gate.condition import Condition, Operator
from stress.analysis.metric import Metric, find_metric
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
LEAST_RATIO = 1e-9  # stands for a ratio of 0 or less, which no measurement has


class State(StrEnum):
    """What a ruling says."""

    HOLDS = "holds"
    BROKEN = "broken"
    INCONCLUSIVE = "inconclusive"
    NO_BASELINE = "no-baseline"  # there is nothing to compare with
    NO_DATA = "no-data"  # the new runs do not say


@dataclass(frozen=True)
class ConditionResult:
    """What a condition comes to in one row.

    Attributes:
        condition: as it was written.
        row: the name of the row.
        state: whether it holds.
        base: what the base runs come to in its metric; None where it asks for no baseline, or there is none.
        new: what the new runs come to.
        effect: the change, new / base or new - base; None where there is none to speak of.
        low: lower end of its interval.
        high: upper end.
        limit: what the condition allows, in the unit of the effect, or of the metric where there is none.
        adjusted_p: of the change, corrected for all conditions.
        more_trials: how many more would probably decide; None where it is decided, or no number would.
        shifted: whether the change was tested against the limit itself, for it must be reached.
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


@dataclass(frozen=True)
class Case:
    """A condition with what it is to be applied to.

    Attributes:
        condition: to be applied.
        row: the name of the row.
        base: the base runs' values by trial, or by block; None where there is no baseline.
        new: the new runs'.
        paired: whether equal keys are the same block.
        attempts: of the smallest trial.
    """

    condition: Condition
    row: str
    base: Values[Hashable] | None
    new: Values[Hashable]
    paired: bool = False
    attempts: int = MILLION

    @property
    def metric(self) -> Metric:
        """The metric of the condition."""
        return find_metric(self.condition.metric)


def evaluate_cases(cases: Sequence[Case], alpha: float = ALPHA) -> list[ConditionResult]:
    """Return a ruling for each case, those against a baseline corrected for each other."""
    compared = {place: compare_case(case) for place, case in enumerate(cases) if is_comparable(case)}
    decided = dict(zip(compared, decide(list(compared.values()), alpha), strict=True))
    return [
        evaluate_comparison(case, decided[place], alpha) if place in decided else evaluate_new_runs(case)
        for place, case in enumerate(cases)
    ]


def is_comparable(case: Case) -> bool:
    """Return whether a case asks for a baseline, and there is one."""
    return case.condition.kind != "absolute" and bool(case.base) and bool(case.new)


def evaluate_new_runs(case: Case) -> ConditionResult:
    """Return the ruling of a condition on the new runs alone, or of one that cannot be compared."""
    seen = median_interval(list(case.new.values()))
    if seen is None:
        return ConditionResult(case.condition, case.row, State.NO_DATA)
    if case.condition.kind == "absolute":
        state = evaluate_values(case.condition, list(case.new.values()), counted=case.metric.unit not in TIMED_UNITS)
        return ConditionResult(case.condition, case.row, state, new=seen, limit=case.condition.value)
    return ConditionResult(case.condition, case.row, State.NO_BASELINE, new=seen)


def evaluate_values(condition: Condition, values: Sequence[float], *, counted: bool) -> State:
    """Return whether a condition holds of values, one a trial.

    Args:
        condition: an absolute one.
        values: one or more.
        counted: whether they are counts or rates of events: these come in bursts, so that their mean must agree with
            their median.
    """
    holds = [OPERATORS[condition.op](value, condition.value) for value in values]
    if all(holds):
        return State.HOLDS
    if condition.op in ("==", "!=") or not any(holds):
        return State.BROKEN
    middle = median_interval(values)
    assert middle is not None
    looked_at = [middle.low, middle.high] + ([math.fsum(values) / len(values)] if counted else [])
    agree = {OPERATORS[condition.op](value, condition.value) for value in looked_at}
    if middle.level < SURE_LEVEL or len(agree) > 1:
        return State.INCONCLUSIVE
    return State.HOLDS if agree.pop() else State.BROKEN


def limit_of(case: Case) -> float:
    """Return what a condition allows, as the effect of its metric is told: a ratio to the base, or a difference."""
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
    """Return whether a condition asks for a change instead of allowing one."""
    limit, none = limit_of(case), 1.0 if case.metric.unit in TIMED_UNITS else 0.0
    return limit < none if case.condition.op in ("<=", "<") else limit > none


def compare_case(case: Case) -> Comparison:
    """Return the comparison that a condition rests on.

    Where a condition asks for a change, the base is moved to where the condition wants the new runs to be, so that the
    test is of the limit itself.
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
        case.row, "base", "new", case.metric, base, case.new, paired=case.paired, threshold=least, gating=True
    )


def evaluate_comparison(case: Case, measured: Comparison, alpha: float) -> ConditionResult:
    """Return the ruling that rests on a comparison."""
    assert case.base is not None
    limit, timed = limit_of(case), case.metric.unit in TIMED_UNITS
    shifted = must_improve(case)
    ruling = ConditionResult(
        case.condition,
        case.row,
        State.NO_DATA,
        base=median_interval(list(case.base.values())),
        new=measured.new_estimate,
        limit=limit,
        adjusted_p=measured.adjusted_p,
        shifted=shifted,
    )
    if measured.effect is None or measured.low is None or measured.high is None or measured.level is None:
        return ruling

    def back(value: float) -> float:
        """Return a change from the moved base as one from the base itself."""
        return value if not shifted else value * limit if timed else value + limit

    told = replace(ruling, effect=back(measured.effect), low=back(measured.low), high=back(measured.high))
    worst, best = (measured.high, measured.low) if case.condition.op in ("<=", "<") else (measured.low, measured.high)
    sign = 1 if case.condition.op in ("<=", "<") else -1
    none = 1.0 if timed else 0.0
    tolerated = none if shifted else limit
    if measured.level >= SURE_LEVEL and sign * (worst - tolerated) <= 0:
        return replace(told, state=State.HOLDS)
    sure = measured.adjusted_p is not None and measured.adjusted_p <= alpha and sign * (best - none) > 0
    if sure and sign * (measured.effect - tolerated) > 0:
        return replace(told, state=State.BROKEN)
    return replace(told, state=State.INCONCLUSIVE, more_trials=measured.more_trials)
