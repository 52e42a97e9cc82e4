# SPDX-License-Identifier: MIT
"""No data is never a pass: a condition that planned trials say nothing about is without data, whatever others say.

A condition that is broken by the trials that there are stays broken. ``--allow-missing N`` is the only way round; where
no trial has a value for any condition it is none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from stress.analysis.gate.case import Case, limit_of
from stress.analysis.gate.evaluate import OPERATORS
from stress.analysis.gate.result import ConditionResult, State
from stress.analysis.gate.trial_value import TrialValue
from stress.analysis.statistics.trials import TIMED_UNITS, median_interval
from stress.model.planned import PlannedTrial


def absent_trials(cases: Iterable[Case]) -> list[PlannedTrial]:
    """Return all planned trials of the new arm that have no value for some condition, each once."""
    return list({trial.key: trial for case in cases for trial in case.absent}.values())


def hold_to_plan(cases: Sequence[Case], results: Sequence[ConditionResult], allowed: int) -> list[ConditionResult]:
    """Return results of cases, those without data that have trials without a value.

    Args:
        cases: all of a gate.
        results: theirs, as the trials with values give them.
        allowed: how many trials of the new arm may be without a value, in all.
    """
    is_allowed = len(absent_trials(cases)) <= allowed and any(case.new for case in cases)
    return [hold_one(case, result, is_allowed=is_allowed) for case, result in zip(cases, results, strict=True)]


def hold_one(case: Case, result: ConditionResult, *, is_allowed: bool) -> ConditionResult:
    """Return the result of one case."""
    result = replace(
        result, planned=case.planned, absent=case.absent, reason=case.reason, breaking=breaking_trials(case, result)
    )
    if not case.absent or result.state is State.BROKEN:
        return result
    if is_allowed:
        return replace(result, excused=result.state is State.NO_DATA)
    return replace(result, state=State.NO_DATA, more_trials=None)


def breaking_trials(case: Case, result: ConditionResult) -> tuple[TrialValue, ...]:
    """Return the trials that do not hold to a condition; none of one on changes of times, which is about medians."""
    if result.state in (State.HOLDS, State.NO_DATA, State.NO_BASELINE):
        return ()
    limit = case.condition.value
    if case.condition.kind != "absolute":
        if case.metric.unit in TIMED_UNITS or not case.base:
            return ()
        middle = median_interval(list(case.base.values()))
        limit = limit_of(case) + (middle.median if middle else 0.0)
    holds = OPERATORS[case.condition.op]
    return tuple(trial for trial in case.trials if not holds(trial.value, limit))
