# SPDX-License-Identifier: MIT
"""What a busy machine does to a comparison: times of an arm with too many trials that were not quiet decide nothing.

Counts and causes do not depend on the speed of the machine, and are compared all the same.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from stress.analysis.comparison.arm_pair import ArmPair
from stress.analysis.comparison.projection import Row
from stress.analysis.metric import Metric
from stress.analysis.statistics.trials import TIMED_UNITS, CellTrials
from stress.model.busy import is_mostly_busy
from stress.model.observation import Observation
from stress.model.text import join_words, plural


def held_by_busy(pair: ArmPair, metric: Metric) -> str | None:
    """Return why the times of two arms decide nothing: ``'the machine was busy in 5 of 14 trials of new'``."""
    if metric.unit not in TIMED_UNITS:
        return None
    return busy_sides(dict(zip((pair.base, pair.new), map(count_busy, pair.timed_runs), strict=True)))


def count_busy(runs: Sequence[Observation]) -> tuple[int, int]:
    """Return how many runs were busy, and how many there are."""
    return sum(run.is_busy for run in runs), len(runs)


def busy_sides(sides: Mapping[str, tuple[int, int]]) -> str | None:
    """Return in which sides too many trials were busy, by the name of each: how many were, and of how many."""
    busy = [
        f"{count:,} of {plural(trials, 'trial')} of {name}"
        for name, (count, trials) in sides.items()
        if is_mostly_busy(count, trials)
    ]
    return f"the machine was busy in {join_words(busy)}" if busy else None


def describe_busy(rows: Iterable[Row], *, is_allowed: bool) -> list[str]:
    """Return a sentence about the columns in whose timed runs the machine was busy, if there are any.

    Args:
        rows: all of them.
        is_allowed: whether the times are compared all the same.
    """
    columns: dict[str, list[Observation]] = {}
    for row in rows:
        for name, runs in row.columns.items():
            columns.setdefault(name, []).extend(run for run in runs if run.timed)
    parts = []
    for name, runs in columns.items():
        reasons = [run.busy for run in runs if run.is_busy]
        if reasons:
            parts.append(f"{len(reasons):,} of {plural(len(runs), 'trial')} of {name} ({usual_reason(reasons)})")
    if not parts:
        return []
    consequence = "where that is more than a quarter, times decide nothing (--allow-busy compares them)"
    if is_allowed:
        consequence = "their times are compared all the same (--allow-busy)"
    return [f"the machine was busy in {join_words(parts)}; {consequence}"]


def usual_reason(reasons: Iterable[tuple[str, ...]]) -> str:
    """Return a reason of the most frequent kind, and how many more trials have one of it.

    Args:
        reasons: of each trial that was busy, one or more.
    """
    texts = [text for of_trial in reasons for text in of_trial]
    kind, count = Counter(text.split()[0] for text in texts).most_common(1)[0]
    example = next(text for text in texts if text.split()[0] == kind)
    return example if count == 1 else f"{example}, and {count - 1:,} more"


def busy_cells(cell: CellTrials, baseline: CellTrials, metric: Metric) -> str | None:
    """Return why the times of a cell and its baseline decide nothing; None where they may."""
    if metric.unit not in TIMED_UNITS:
        return None
    counts = {name: (len(trials.busy), len(trials.done)) for name, trials in (("base", baseline), ("new", cell))}
    return busy_sides(counts)


def pass_for_quiet(runs: Iterable[Observation]) -> list[Observation]:
    """Return runs as if their machine had been quiet, because the user allows it."""
    return [replace(run, busy=()) for run in runs]


def ignore_busy(rows: Iterable[Row]) -> list[Row]:
    """Return rows whose runs all pass for quiet."""
    return [replace(row, columns={name: pass_for_quiet(runs) for name, runs in row.columns.items()}) for row in rows]
