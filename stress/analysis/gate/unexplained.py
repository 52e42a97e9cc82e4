# SPDX-License-Identifier: MIT
"""Attempts without a cause on a busy machine, which prove nothing against what is tested.

A machine that does not run the client or the softirq in time makes an attempt late, and no counter says so: such an
attempt is unknown. Where only trials of a busy machine have any, a gate that closes would cry wolf.
"""

from collections.abc import Sequence

from stress.analysis.gate.condition import Condition
from stress.analysis.gate.evaluate import OPERATORS
from stress.analysis.metric import CAUSE_PREFIX, Metric
from stress.model.observation import Observation
from stress.model.outcome import Cause
from stress.model.text import plural

UNKNOWN = f"{CAUSE_PREFIX}{Cause.UNKNOWN}"


def held_by_busy_unknown(condition: Condition, metric: Metric, runs: Sequence[Observation]) -> str | None:
    """Return why a condition on unknown causes decides nothing: all trials that break it were busy; None otherwise.

    Args:
        condition: an absolute one.
        metric: its metric.
        runs: of the new arm.
    """
    if metric.name.split(".")[:2] != UNKNOWN.split("."):
        return None
    values = ((run, metric.value(run.summary)) for run in runs)
    holds = OPERATORS[condition.op]
    breaking = [run for run, value in values if value is not None and not holds(value, condition.value)]
    if not breaking or not all(run.is_busy for run in breaking):
        return None
    return f"the machine was busy in {plural(len(breaking), 'trial')} with unknown causes, and no other has any"
