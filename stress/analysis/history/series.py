# SPDX-License-Identifier: MIT
"""Series: a metric of a cell on one kind of machine, over successive runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median_low

from stress.analysis.metric import Metric
from stress.analysis.statistics.trials import TIMED_UNITS, Estimate, median_interval
from stress.model.busy import is_mostly_busy
from stress.model.errors import UsageError
from stress.model.observation import Observation

Key = tuple[str, str, str]  # cell, testbed, identity of the plan
TimedRun = tuple[datetime, Observation]  # when a run began, and the run
Occasions = list[list[TimedRun]]


@dataclass(frozen=True)
class Point:
    """A run, or the trials of one suite together.

    Attributes:
        time: when the first of them began.
        estimate: the median over the trials with its interval.
        attempts: of one trial.
        program: version of the program that made the runs.
        kernel: release of the kernel.
        path: the run folder; for trials, that of the first one.
        runs: the names of all their run folders.
        busy: how many of the runs were made while the machine was busy.
        facts: what may change from run to run, by name: kernel, program, machine and settings; of the first run.
    """

    time: datetime
    estimate: Estimate
    attempts: int
    program: str
    kernel: str
    path: Path
    runs: tuple[str, ...]
    busy: int = 0
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_busy(self) -> bool:
        """Whether so many of its runs were made while the machine was busy that its times say nothing."""
        return is_mostly_busy(self.busy, len(self.runs))


@dataclass(frozen=True)
class Series:
    """A metric of a cell on one kind of machine, which can be compared over time.

    A cell whose plan has changed has one series per plan: runs of different plans are not compared.

    Attributes:
        cell: name of the cell.
        testbed: the kind of machine.
        metric: the metric.
        identity: of the plan.
        current: whether no later run of the cell on this testbed has another plan.
        alone: whether no run of the cell on this testbed has another plan.
        points: by time; one or more.
    """

    cell: str
    testbed: str
    metric: Metric
    identity: str
    current: bool
    alone: bool
    points: tuple[Point, ...]

    @property
    def medians(self) -> list[float]:
        """The median of each point, in the metric's unit."""
        return [point.estimate.median for point in self.points]


def all_series(observations: Iterable[Observation], metrics: Sequence[Metric]) -> list[Series]:
    """Return the series of runs, by cell, machine and metric; of several plans of a cell the oldest first.

    Args:
        observations: in any order.
        metrics: the metrics. Runs without a value of a metric are no points of its series.

    Raises:
        UsageError: the start time of a run is invalid.
    """
    plans = occasions_by_plan(observations)
    ended = {key: max(trials[0][0] for trials in occasions) for key, occasions in plans.items()}
    begun = {key: min(trials[0][0] for trials in occasions) for key, occasions in plans.items()}
    places: dict[tuple[str, str], list[Key]] = {}
    for key in sorted(plans, key=lambda key: (key[:2], begun[key], key)):
        places.setdefault(key[:2], []).append(key)
    series = []
    for (cell, testbed), keys in places.items():
        last = max(keys, key=lambda key: (ended[key], key))
        for metric in metrics:
            for key in keys:
                points = [point for trials in plans[key] if (point := make_point(trials, metric))]
                points.sort(key=lambda point: (point.time, str(point.path)))
                if points:
                    of_plan = (key[2], key == last, len(keys) == 1)
                    series.append(Series(cell, testbed, metric, *of_plan, tuple(points)))
    return series


def occasions_by_plan(observations: Iterable[Observation]) -> dict[Key, Occasions]:
    """Return the runs of each cell, machine and plan, grouped by occasion, the earliest of each occasion first.

    An occasion is a suite on one kernel with one version of the program, or a single run.
    """
    occasions: dict[Key, dict[tuple[str, ...], list[TimedRun]]] = {}
    for run in observations:
        key = (run.cell, run.host.testbed, run.plan.identity)
        occasion = (run.group, run.host.kernel, run.program) if run.group else (str(run.path),)
        occasions.setdefault(key, {}).setdefault(occasion, []).append((parse_start_time(run), run))
    return {
        key: [sorted(trials, key=lambda timed: (timed[0], str(timed[1].path))) for trials in of_key.values()]
        for key, of_key in occasions.items()
    }


def parse_start_time(observation: Observation) -> datetime:
    """Return when a run began.

    Raises:
        UsageError: the start time of the run is invalid.
    """
    try:
        time = datetime.fromisoformat(observation.started_utc)
    except ValueError as error:
        raise UsageError(
            f"{observation.path} began at {observation.started_utc!r}, which is no time; its run.json is damaged."
        ) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def make_point(trials: Sequence[TimedRun], metric: Metric) -> Point | None:
    """Return the point of the runs of one occasion; None where none of them has a value of the metric.

    Times and rates are not read from runs that shared their machine.
    """
    usable = [run for _, run in trials if run.timed or metric.unit not in TIMED_UNITS]
    values = [value for run in usable if (value := metric.value(run.summary)) is not None]
    estimate = median_interval([float(value) for value in values])
    if estimate is None:
        return None
    time, first = trials[0]
    return Point(
        time=time,
        estimate=estimate,
        attempts=median_low(run.summary.attempts for _, run in trials),
        program=first.program,
        kernel=first.host.kernel,
        path=first.path,
        runs=tuple(run.path.name for _, run in trials),
        busy=sum(run.is_busy for _, run in trials),
        facts=recorded_facts(first),
    )


def recorded_facts(run: Observation) -> dict[str, str]:
    """Return what may change from one run of a plan to the next; what was not recorded is not there."""
    host = run.host
    facts = {"kernel": host.kernel, "program": run.program, "clocksource": host.clocksource, "Python": host.python}
    return {name: value for name, value in (facts | run.settings).items() if value}
