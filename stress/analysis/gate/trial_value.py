# SPDX-License-Identifier: MIT
"""The values of single trials that a condition was applied to, and which of them break it."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from stress.analysis.comparison.counter_metric import value_of
from stress.analysis.metric import CAUSE_PREFIX, Metric
from stress.model.observation import Observation
from stress.model.outcome import Cause
from stress.model.units import MILLION

# Metrics of attempts each of which has a cause, for it failed or a SYN was sent again.
EXPLAINED = re.compile(r"(errors|retries|late)(_per_million)?|errors\.per_million|band\..+|outcome\.(?!connected).+")


@dataclass(frozen=True)
class TrialValue:
    """The value of one new trial.

    Attributes:
        name: of the trial's folder, or the short name of a run outside of suites.
        value: of the metric.
        attempts: how many it made.
        causes: of its attempts that were slow or failed, the most frequent first.
    """

    name: str
    value: float
    attempts: int
    causes: dict[str, int] = field(default_factory=dict)

    def count(self, metric: Metric) -> float:
        """Return its value as a count, which of a rate per million is a number of attempts."""
        return self.value * self.attempts / MILLION if metric.unit == "per million" else self.value


def trial_values(
    runs: Iterable[Observation], metric: Metric, name_of: Callable[[Observation], str]
) -> tuple[TrialValue, ...]:
    """Return the value of each run that has one."""
    values = []
    for run in runs:
        value = value_of(metric, run)
        if value is not None:
            causes = {cause: count for cause, count in run.summary.causes.items() if count and cause != Cause.NONE}
            causes = dict(sorted(causes.items(), key=lambda item: -item[1]))
            values.append(TrialValue(name_of(run), float(value), run.summary.attempts, causes))
    return tuple(values)


def cause_of(trials: Sequence[TrialValue], metric: Metric) -> str | None:
    """Return the cause of what a count counts in some trials, where there is only one that it can be; else None.

    That is the metric's own cause; or of attempts that failed or were late, all of which have one, the only cause that
    the trials have. What may have a cause at most is not said to have it.
    """
    if metric.name.startswith(CAUSE_PREFIX):
        name, _, end = metric.name.removeprefix(CAUSE_PREFIX).partition(".")
        return None if end == "at_most" else name
    causes = {cause for trial in trials for cause in trial.causes}
    if len(causes) != 1 or not EXPLAINED.fullmatch(metric.name):
        return None
    (cause,) = causes
    counted = sum(trial.count(metric) for trial in trials)
    return cause if round(counted) == sum(trial.causes.get(cause, 0) for trial in trials) else None
