# SPDX-License-Identifier: MIT
"""The values of single trials that a condition was applied to, and which of them break it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from stress.analysis.metric import Metric
from stress.analysis.statistics.trials import TIMED_UNITS
from stress.model.observation import Observation
from stress.model.outcome import Cause
from stress.model.units import MILLION


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
        value = metric.value(run.summary)
        if value is not None:
            causes = {cause: count for cause, count in run.summary.causes.items() if count and cause != Cause.NONE}
            causes = dict(sorted(causes.items(), key=lambda item: -item[1]))
            values.append(TrialValue(name_of(run), float(value), run.summary.attempts, causes))
    return tuple(values)


def cause_of(trials: Sequence[TrialValue], metric: Metric) -> str | None:
    """Return the cause of what a count counts in some trials, where there is only one that it can be.

    That is the metric's own cause; or else the only cause that the trials have, and of as many attempts as are counted.
    """
    named = metric.name.removeprefix("cause.").removesuffix(".per_million")
    if metric.name.startswith("cause."):
        return named.partition(".")[0]
    causes = {cause for trial in trials for cause in trial.causes}
    counted = sum(trial.count(metric) for trial in trials)
    if len(causes) != 1 or metric.unit in TIMED_UNITS:
        return None
    (cause,) = causes
    return cause if round(counted) == sum(trial.causes.get(cause, 0) for trial in trials) else None
