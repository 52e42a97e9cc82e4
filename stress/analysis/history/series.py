# SPDX-License-Identifier: MIT
"""Series: a metric of a cell on one kind of machine, over successive runs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median_low

import msgspec

from stress.analysis.history.run_row import COMMIT, RunRow, run_row
from stress.analysis.metric import Metric
from stress.analysis.statistics.trials import TIMED_UNITS, Estimate, median_interval
from stress.model.busy import is_mostly_busy
from stress.model.observation import Observation

Key = tuple[str, str, str]  # cell, testbed, identity of the plan
Occasions = list[list[RunRow]]


class Point(msgspec.Struct, frozen=True, gc=False):
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
        facts: what may change from run to run, by name: kernel, program, machine and settings; of the first run. Of
            commits all, with commas.
        profiled: how many of the runs have a profile.
    """

    time: datetime
    estimate: Estimate
    attempts: int
    program: str
    kernel: str
    path: Path
    runs: tuple[str, ...]
    busy: int = 0
    facts: dict[str, str] = {}
    profiled: int = 0

    @property
    def commit(self) -> str:
        """The commit of the program, short; "" where it is not known."""
        return self.facts.get(COMMIT, "")

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
    return series_of_rows([run_row(run, metrics) for run in observations if not run.interrupted], metrics)


def series_of_rows(rows: Iterable[RunRow], metrics: Sequence[Metric]) -> list[Series]:
    """Return the series of runs as ``all_series`` does; the values of the rows are those of the metrics."""
    plans = occasions_by_plan(rows)
    ended = {key: max(trials[0].time for trials in occasions) for key, occasions in plans.items()}
    begun = {key: min(trials[0].time for trials in occasions) for key, occasions in plans.items()}
    places: dict[tuple[str, str], list[Key]] = {}
    for key in sorted(plans, key=lambda key: (key[:2], begun[key], key)):
        places.setdefault(key[:2], []).append(key)
    series = []
    for (cell, testbed), keys in places.items():
        last = max(keys, key=lambda key: (ended[key], key))
        of_keys = {key: points_by_metric(plans[key], metrics) for key in keys}
        for column, metric in enumerate(metrics):
            for key in keys:
                points = of_keys[key][column]
                if points:
                    of_plan = (key[2], key == last, len(keys) == 1)
                    series.append(Series(cell, testbed, metric, *of_plan, tuple(points)))
    return series


def occasions_by_plan(rows: Iterable[RunRow]) -> dict[Key, Occasions]:
    """Return the runs of each cell, machine and plan, grouped by occasion, the earliest of each occasion first.

    An occasion is a suite on one kernel with one version of the program, or a single run.
    """
    occasions: dict[Key, dict[tuple[str, ...], list[RunRow]]] = {}
    for row in rows:
        occasion = (row.group, row.kernel, row.program) if row.group else (row.path,)
        key = (row.cell, row.testbed, row.identity)
        occasions.setdefault(key, {}).setdefault(occasion, []).append(row)
    return {
        key: [sorted(trials, key=lambda row: (row.time, row.path)) for trials in of_key.values()]
        for key, of_key in occasions.items()
    }


def points_by_metric(occasions: Occasions, metrics: Sequence[Metric]) -> list[list[Point]]:
    """Return the points of the occasions of a plan for each metric, by time.

    Times and rates are not read from runs that shared their machine.

    Args:
        occasions: the runs of each, the earliest first.
        metrics: those of which the runs have values; an occasion in which none has a value is no point.
    """
    points: list[list[Point]] = [[] for _ in metrics]
    for trials in sorted(occasions, key=lambda trials: (trials[0].time, trials[0].path)):
        first, path = trials[0], Path(trials[0].path)
        runs = tuple(row.path.rpartition("/")[2] for row in trials)
        attempts = median_low(row.attempts for row in trials) if trials[1:] else first.attempts
        busy = sum(row.busy for row in trials)
        profiled = sum(row.profiled for row in trials)
        commits = dict.fromkeys(row.facts.get(COMMIT, "") for row in trials)  # several where a suite was resumed
        facts = first.facts | ({COMMIT: ", ".join(filter(None, commits))} if len(commits) > 1 else {})
        for column, metric in enumerate(metrics):
            usable = trials if metric.unit not in TIMED_UNITS else [row for row in trials if row.timed]
            estimate = median_interval([value for row in usable if (value := row.values[column]) is not None])
            if estimate is not None:
                of_runs = (path, runs, busy, facts, profiled)
                points[column].append(Point(first.time, estimate, attempts, first.program, first.kernel, *of_runs))
    return points
