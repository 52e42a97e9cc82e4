# SPDX-License-Identifier: MIT
"""The result of a condition: whether it holds, and the numbers that it rests on."""

from dataclasses import dataclass
from enum import StrEnum

from stress.analysis.comparison.verdict import Unit
from stress.analysis.gate.condition import Condition
from stress.analysis.gate.trial_value import TrialValue
from stress.analysis.statistics.trials import Estimate
from stress.model.planned import PlannedTrial


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
        planned: how many trials the new arm was to have here.
        absent: those of them that have no value.
        breaking: the trials that do not hold to the condition, each by itself.
        excused: whether it has no data, and that was allowed.
        reason: why it was applied to no row; "" where it was.
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
    planned: int = 0
    absent: tuple[PlannedTrial, ...] = ()
    breaking: tuple[TrialValue, ...] = ()
    excused: bool = False
    reason: str = ""
