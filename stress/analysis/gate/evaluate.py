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
from collections.abc import Callable, Sequence
from dataclasses import replace

from stress.analysis.comparison.change import CLEAN_TRIALS
from stress.analysis.comparison.compare import decide
from stress.analysis.comparison.verdict import ALPHA, Comparison, Verdict
from stress.analysis.gate.case import Case, compare_case, is_comparable, limit_of, must_improve
from stress.analysis.gate.condition import Condition, Operator
from stress.analysis.gate.result import ConditionResult, State
from stress.analysis.statistics.trials import SURE_LEVEL, TIMED_UNITS, median_interval

OPERATORS: dict[Operator, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}


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


def evaluate_new_runs(case: Case) -> ConditionResult:
    """Return the result of a condition on the new runs alone, or of one that cannot be compared."""
    estimate = median_interval(list(case.new.values()))
    if estimate is None:
        return ConditionResult(case.condition, case.row, State.NO_DATA)
    if case.condition.kind == "absolute":
        state = evaluate_values(case.condition, list(case.new.values()), counted=case.metric.unit not in TIMED_UNITS)
        result = ConditionResult(case.condition, case.row, state, new=estimate, limit=case.condition.value)
        if case.held_back is None or (state is State.HOLDS and is_met_in_spite(case)):
            return result
        return replace(result, state=State.INCONCLUSIVE, held_back=case.held_back)
    return ConditionResult(case.condition, case.row, State.NO_BASELINE, new=estimate)


def is_met_in_spite(case: Case) -> bool:
    """Return whether a condition asks for what a busy machine makes worse: then it holds of a quiet one as well."""
    return (case.condition.op in ("<=", "<")) == (case.metric.better == "lower")


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
    # Of counts, few trials without a burst are no proof that there is none.
    few = not timed and measured.new_estimate is not None and measured.new_estimate.trials < CLEAN_TRIALS
    unproven = few and measured.verdict is not Verdict.IMPROVED
    if measured.level >= SURE_LEVEL and sign * (worst - tolerated) <= 0 and not unproven:
        return replace(result, state=State.HOLDS)
    significant = measured.adjusted_p is not None and measured.adjusted_p <= alpha and sign * (best - no_change) > 0
    if significant and sign * (measured.effect - tolerated) > 0:
        return replace(result, state=State.BROKEN)
    return replace(result, state=State.INCONCLUSIVE, more_trials=measured.more_trials)
