# SPDX-License-Identifier: MIT
"""The self-test of a gate: whether it fails when it should. A regression is injected into copies of the data.

A gate that cannot fail looks like one that never has to. Too few trials, or a machine that is too noisy for what a
condition allows, show in the self-test and not after months.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from stress.analysis.comparison.verdict import ALPHA, Unit
from stress.analysis.gate.case import Case, Values, limit_of, must_improve
from stress.analysis.gate.evaluate import evaluate_cases
from stress.analysis.gate.result import ConditionResult, State
from stress.analysis.statistics.trials import TIMED_UNITS
from stress.model.units import MILLION

LEAST_FACTOR = 1.1  # injected where a condition allows no change


@dataclass(frozen=True)
class InjectedRegression:
    """A regression that was injected into copies of the data, and whether the gate detects it.

    Attributes:
        result: of the condition on the copies.
        injected: the change, in the unit of the effect; for an absolute condition the value itself.
    """

    result: ConditionResult
    injected: float

    @property
    def is_detected(self) -> bool:
        """Whether the gate failed, as it should."""
        return self.result.state is State.BROKEN


def inject_regressions(cases: Sequence[Case]) -> list[InjectedRegression]:
    """Return the result of each condition when the regression that it guards against is the only one.

    The base runs are used as both arms, so that the noise is real: the new arm has their values, each moved to the next
    trial, and worse by twice what the condition allows. Where there is no baseline the new runs are used instead.
    """
    compared = sum(case.condition.kind != "absolute" for case in cases)
    injections = []
    for case in cases:
        worse, injected = worsen_case(case)
        (result,) = evaluate_cases([worse])
        if result.adjusted_p is not None:  # corrected as the only one of all conditions that changed
            (result,) = evaluate_cases([worse], alpha=ALPHA / compared)
        injections.append(InjectedRegression(result, injected))
    return injections


def worsen_case(case: Case) -> tuple[Case, float]:
    """Return a copy of a case in which the condition does not hold, and the change that was injected."""
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
        injected = sign * 2 * max(abs(limit), MILLION / case.attempts, 0.1 * most)
    if case.unit is Unit.SESSION and 0 < len(case.new) < len(base):
        # As many sessions on either side as there are, or the self-test would find what the gate does not.
        newest = list(base)[-len(case.new) :]
        moved: Values[Hashable] = {key: base[key] for key in newest}
        case = replace(case, base={key: value for key, value in base.items() if key not in moved})
    else:
        moved = rotate_values(base)
    return replace(
        case, new={key: value * injected if timed else value + injected for key, value in moved.items()}
    ), injected


def violating_value(case: Case) -> float:
    """Return a value for which an absolute condition does not hold."""
    value, op = case.condition.value, case.condition.op
    step = max(abs(value), 1.0)
    return {"<=": value + step, "<": value + step, ">=": value - step, ">": value - step, "==": value + step}.get(
        op, value
    )


def rotate_values(values: Values[Hashable]) -> dict[Hashable, float]:
    """Return the values moved to the next trial each, the last one to the first trial."""
    numbers = list(values.values())
    return dict(zip(values, numbers[-1:] + numbers[:-1], strict=True))
