# SPDX-License-Identifier: MIT
"""The points of small multiples by metric and axis, and how to read them."""

from collections.abc import Mapping, Sequence

from stress.analysis.comparison.axis_points import (
    AxisPoint,
    axes_of,
    axis_points,
    baseline_of,
    cells_by_entry,
    is_crossed,
    missing_reason,
)
from stress.analysis.comparison.suite_comparison import compare_cells
from stress.analysis.metric import find_metric
from stress.analysis.statistics.trials import THRESHOLD, CellTrials
from stress.view.figure.suite.level_panel import SHORT
from stress.view.text import metric_wording as words
from stress.view.text.survey_wording import limits_text, sure_text

NAMED_MAX = 3  # cells without a trial up to which all are named
Grid = dict[str, dict[str, list[AxisPoint]]]  # by name of the metric, by axis


def points_by_metric(cells: Sequence[CellTrials], headline: Sequence[str] = words.PICTURED) -> Grid:
    """Return the points of each metric; metrics that no trial has, or that are zero in all trials, are left out.

    Raises:
        UsageError: there is no such metric.
    """
    metrics = [find_metric(name) for name in headline]
    effects = compare_cells(cells, metrics).effects
    rows = {
        metric.name: {axis: axis_points(cells, axis, metric, effects) for axis in axes_of(cells)} for metric in metrics
    }
    return {name: row for name, row in rows.items() if any(interval_ends(row))}


def interval_ends(row: Mapping[str, Sequence[AxisPoint]]) -> list[float]:
    """Return the ends of all intervals of a row."""
    estimates = [point.estimate for column in row.values() for point in column if point.estimate]
    return [end for estimate in estimates for end in (estimate.low, estimate.high)]


def all_points(grid: Grid) -> list[AxisPoint]:
    """Return the points of all metrics and axes."""
    return [point for row in grid.values() for column in row.values() for point in column]


def reading_notes(cells: Sequence[CellTrials], grid: Grid) -> list[str]:
    """Return how to read the figure, and what is missing in it, as phrases."""
    every, phrases = all_points(grid), []
    if estimates := [point.estimate for point in every if point.estimate]:
        trials, levels = (
            sorted(estimate.trials for estimate in estimates),
            sorted(estimate.level for estimate in estimates),
        )
        sizes = words.span_text([f"{count:,}" for count in trials])
        phrases.append(f"mark: median over {sizes} trials" if trials[-1] > 1 else "mark: a single trial")
        if levels[-1]:
            sure = words.span_text([words.percent_text(level) for level in levels])
            phrases.append(f"bar: its interval, {sure} confidence")
    if any(point.effect for point in every):
        least = words.percent_text(THRESHOLD)
        phrases.append(f"filled: changes by {least} and an attempt or more against trials of the same blocks")
        compared = compare_cells(cells)
        phrases += filter(None, [sure_text(compared), limits_text(compared)])
    if grid:
        phrases.append("log scale; of counts and shares linear below the first tick")
    entries = cells_by_entry(cells)
    if crossed := [label for label, entry in entries.items() if is_crossed(entry)]:
        phrases.append(
            f"several axes vary at once, so trials of all cells with a value are pooled: {', '.join(crossed)}"
        )
    missing = [
        f"{label} {words.setting_text(trials, baseline_of(entry))} ({SHORT[reason]})"
        for label, entry in entries.items()
        for trials in entry
        if (reason := missing_reason([trials]))
    ]
    if len(missing) > NAMED_MAX:
        phrases.append(f"no trial done in {len(missing)} of {len(cells)} cells")
    elif missing:
        phrases.append(f"no trial done: {', '.join(missing)}")
    return phrases
