# SPDX-License-Identifier: MIT
"""Rehearsal: whether a gate closes when it should. A regression is put into copies of the data, and must be found.

A gate that can never close looks like one that never has to. Too few trials, or a machine that is too noisy for what a
condition allows, show here and not after months.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from stress.analysis.comparison.compare import ALPHA
from stress.analysis.gate.evaluate import Case, ConditionResult, State, Values, evaluate_cases, limit_of, must_improve
from stress.analysis.statistics.trials import TIMED_UNITS

LEAST_FACTOR = 1.1  # of a condition that allows nothing


@dataclass(frozen=True)
class InjectedRegression:
    """What came of a regression that was put into copies of the data.

    Attributes:
        ruling: of the copies.
        injected: the change that was put in, in the unit of the effect; of an absolute condition the value itself.
    """

    result: ConditionResult
    injected: float

    @property
    def is_detected(self) -> bool:
        """Whether the gate closed."""
        return self.result.state is State.BROKEN


def inject_regressions(cases: Sequence[Case]) -> list[InjectedRegression]:
    """Return what becomes of each condition when what it guards against happens, and nothing else does.

    The base runs stand for both arms, so that their noise is real: the new arm has their values, each moved to the
    next trial, and worse by twice what the condition allows. Where there is no baseline the new runs stand for it.
    """
    compared = sum(case.condition.kind != "absolute" for case in cases)
    found = []
    for case in cases:
        worse, injected = worsen_case(case)
        (ruling,) = evaluate_cases([worse])
        if ruling.adjusted_p is not None:  # as the one that changed, among all
            (ruling,) = evaluate_cases([worse], alpha=ALPHA / compared)
        found.append(InjectedRegression(ruling, injected))
    return found


def worsen_case(case: Case) -> tuple[Case, float]:
    """Return a copy of a case in which its condition does not hold, and what was put in."""
    if case.condition.kind == "absolute":
        value = violating_value(case)
        return replace(case, new=dict.fromkeys(case.new, value)), value
    base = case.base or case.new
    case = replace(case, base=base)
    limit, timed = limit_of(case), case.metric.unit in TIMED_UNITS
    sign = 1 if case.condition.op in ("<=", "<") else -1
    if must_improve(case):
        injected = 1.0 if timed else 0.0  # nothing has improved
    elif timed:
        injected = max(limit**sign, LEAST_FACTOR**0.5) ** (2 * sign)
    else:
        most = max(abs(value) for value in base.values()) if base else 0.0
        injected = sign * 2 * max(abs(limit), 1_000_000 / case.attempts, 0.1 * most)
    moved = rotate_values(base)
    return replace(
        case, new={key: value * injected if timed else value + injected for key, value in moved.items()}
    ), injected


def violating_value(case: Case) -> float:
    """Return a value of which an absolute condition does not hold."""
    value, op = case.condition.value, case.condition.op
    step = max(abs(value), 1.0)
    return {"<=": value + step, "<": value + step, ">=": value - step, ">": value - step, "==": value + step}.get(
        op, value
    )


def rotate_values(values: Values[Hashable]) -> dict[Hashable, float]:
    """Return each trial's value as the next one's."""
    keys, found = list(values), list(values.values())
    return dict(zip(keys, found[-1:] + found[:-1], strict=True))
