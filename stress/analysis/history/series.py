# SPDX-License-Identifier: MIT
"""Series: a metric of a cell on one kind of machine, run after run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median_low

from stress.analysis.metric import Metric
from stress.analysis.statistics.trials import TIMED_UNITS, Estimate, median_interval
from stress.model.errors import UsageError
from stress.model.observation import Observation

Key = tuple[str, str, str]  # cell, testbed, identity of the plan
TimedRun = tuple[datetime, Observation]  # a run and when it began
Occasions = list[list[TimedRun]]


@dataclass(frozen=True)
class Point:
    """A run, or the trials of one suite together.

    Attributes:
        time: when the first of them began.
        estimate: the median over the trials with its interval.
        attempts: of one trial.
        program: what made it.
        kernel: that it ran on.
        path: the run folder; of trials, that of the first.
        runs: the names of all their run folders.
    """

    time: datetime
    estimate: Estimate
    attempts: int
    program: str
    kernel: str
    path: Path
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Series:
    """A metric of a cell on one kind of machine: what can be compared over time.

    A cell whose plan has changed has a series for each plan: runs of different plans are not compared.

    Attributes:
        cell: what was run.
        testbed: on what kind of machine.
        metric: what is looked at.
        identity: of the plan.
        current: whether no later run of the cell there has another plan.
        alone: whether no run of the cell there has another plan.
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
        """What each point comes to, in the metric's unit."""
        return [point.estimate.median for point in self.points]


def all_series(observations: Iterable[Observation], metrics: Sequence[Metric]) -> list[Series]:
    """Return the series of runs, by cell, machine and metric; of several plans of a cell the oldest first.

    Args:
        observations: in any order.
        metrics: that are looked at. Runs that have no value of one are no points of its series.

    Raises:
        UsageError: a run says a time that is none.
    """
    plans = occasions_by_plan(observations)
    ended = {key: max(trials[0][0] for trials in occasions) for key, occasions in plans.items()}
    begun = {key: min(trials[0][0] for trials in occasions) for key, occasions in plans.items()}
    places: dict[tuple[str, str], list[Key]] = {}
    for key in sorted(plans, key=lambda key: (key[:2], begun[key], key)):
        places.setdefault(key[:2], []).append(key)
    found = []
    for (cell, testbed), keys in places.items():
        last = max(keys, key=lambda key: (ended[key], key))
        for metric in metrics:
            for key in keys:
                points = [point for trials in plans[key] if (point := make_point(trials, metric))]
                points.sort(key=lambda point: (point.time, str(point.path)))
                if points:
                    of_the_plan = (key[2], key == last, len(keys) == 1)
                    found.append(Series(cell, testbed, metric, *of_the_plan, tuple(points)))
    return found


def occasions_by_plan(observations: Iterable[Observation]) -> dict[Key, Occasions]:
    """Return the runs of each cell, machine and plan: those of one occasion together, the earliest of them first.

    An occasion is a suite on one kernel with one program, or a run by itself.
    """
    occasions: dict[Key, dict[tuple[str, ...], list[TimedRun]]] = {}
    for each in observations:
        key = (each.cell, each.host.testbed, each.plan.identity)
        occasion = (each.group, each.host.kernel, each.program) if each.group else (str(each.path),)
        occasions.setdefault(key, {}).setdefault(occasion, []).append((parse_start_time(each), each))
    return {
        key: [sorted(trials, key=lambda timed: (timed[0], str(timed[1].path))) for trials in found.values()]
        for key, found in occasions.items()
    }


def parse_start_time(observation: Observation) -> datetime:
    """Return when a run began.

    Raises:
        UsageError: it says a time that is none.
    """
    try:
        found = datetime.fromisoformat(observation.started_utc)
    except ValueError as error:
        raise UsageError(
            f"{observation.path} began at {observation.started_utc!r}, which is no time; its run.json is damaged."
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def make_point(trials: Sequence[TimedRun], metric: Metric) -> Point | None:
    """Return what the runs of one occasion come to in a metric; None where none of them can say.

    Runs that were not alone on their machine cannot say how long anything took.
    """
    able = [each for _, each in trials if each.timed or metric.unit not in TIMED_UNITS]
    values = [value for each in able if (value := metric.value(each.summary)) is not None]
    estimate = median_interval([float(value) for value in values])
    if estimate is None:
        return None
    time, first = trials[0]
    return Point(
        time=time,
        estimate=estimate,
        attempts=median_low(each.summary.attempts for _, each in trials),
        program=first.program,
        kernel=first.host.kernel,
        path=first.path,
        runs=tuple(each.path.name for _, each in trials),
    )
