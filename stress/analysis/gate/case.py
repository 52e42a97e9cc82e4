# SPDX-License-Identifier: MIT
"""Cases: a condition with the values that it is applied to, and the comparison that its result rests on."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from stress.analysis.comparison.compare import compare_values
from stress.analysis.comparison.verdict import Comparison, Unit
from stress.analysis.gate.condition import Condition
from stress.analysis.gate.trial_value import TrialValue
from stress.analysis.metric import Metric, find_metric
from stress.analysis.statistics.session import SessionSpread
from stress.analysis.statistics.trials import TIMED_UNITS, median_interval
from stress.model.planned import PlannedTrial
from stress.model.units import MILLION

Key = TypeVar("Key", bound=Hashable)
Values = Mapping[Key, float]

LEAST_RATIO = 1e-9  # in place of a ratio of 0 or less, which no measurement has


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
        planned: how many trials the new arm was to have here.
        absent: those of them that have no value.
        trials: the value of each of the others.
        reason: why there is no row that the condition applies to; "" where there is one.
    """

    condition: Condition
    row: str
    base: Values[Hashable] | None
    new: Values[Hashable]
    unit: Unit = Unit.TRIAL
    attempts: int = MILLION
    held_back: str | None = None
    spread: SessionSpread | None = None
    planned: int = 0
    absent: tuple[PlannedTrial, ...] = ()
    trials: tuple[TrialValue, ...] = ()
    reason: str = ""

    @property
    def metric(self) -> Metric:
        """The metric of the condition."""
        return find_metric(self.condition.metric)


def is_comparable(case: Case) -> bool:
    """Return whether a case needs a baseline, and has the values to compare."""
    return case.condition.kind != "absolute" and bool(case.base) and bool(case.new)


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
