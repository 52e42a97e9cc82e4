# SPDX-License-Identifier: MIT
"""The cells of a suite by entry, by axis, and by value of an axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from stress.analysis.metric import Metric
from stress.analysis.statistics.trials import (
    CellTrials,
    Effect,
    Estimate,
    estimate_cell,
    median_interval,
    values_by_block,
)
from stress.model.suite import Level

MissingReason = Literal["failed", "not applicable", "not run"]
NO_AXIS = ""  # the axis of an entry that varies nothing and has a single cell
UNVARIED_TEXT = "as it is"


@dataclass(frozen=True)
class AxisPoint:
    """The estimate of one entry at one value of an axis.

    Attributes:
        scenario: the entry's label.
        level: the value, as text.
        baseline: whether it is the value of the baseline.
        estimate: None where no trial has a value.
        effect: compared with the entry's baseline; None for the baseline itself, for pooled cells, and where no block
            has a value of both.
        cells: how many were pooled; 1 unless the entry's other axes vary as well.
        missing: why no trial is done; None if one is.
    """

    scenario: str
    level: str
    baseline: bool
    estimate: Estimate | None
    effect: Effect | None
    cells: int
    missing: MissingReason | None


def level_text(level: Level) -> str:
    """Return a value in the notation of a suite file or of ``sysctl``: ``'true'``, ``'32768 60999'``."""
    if isinstance(level, bool):
        return str(level).lower()
    return " ".join(map(str, level)) if isinstance(level, list) else str(level)


def cells_by_entry(cells: Sequence[CellTrials]) -> dict[str, list[CellTrials]]:
    """Return the cells of each entry, its baseline first; the rest keeps its order."""
    entries: dict[str, list[CellTrials]] = {}
    for trials in sorted(cells, key=lambda trials: not trials.cell.baseline):
        entries.setdefault(trials.cell.scenario, []).append(trials)
    return {label: entries[label] for label in dict.fromkeys(trials.cell.scenario for trials in cells)}


def baseline_of(entry: Sequence[CellTrials]) -> CellTrials | None:
    """Return the baseline of an entry; None where the suite excludes it."""
    return next((trials for trials in entry if trials.cell.baseline), None)


def differing_levels(trials: CellTrials, baseline: CellTrials | None) -> dict[str, str]:
    """Return the values of a cell that differ from the baseline, by axis; without a baseline all of them."""
    usual = baseline.cell.levels if baseline else {}
    return {
        axis: level_text(level)
        for axis, level in trials.cell.levels.items()
        if axis not in usual or level_text(usual[axis]) != level_text(level)
    }


def level_of(trials: CellTrials, axis: str) -> str | None:
    """Return the value of a cell on an axis, as text; None if it has no such axis."""
    levels = trials.cell.levels
    if axis == NO_AXIS:
        return None if levels else UNVARIED_TEXT
    return level_text(levels[axis]) if axis in levels else None


def axes_of(cells: Sequence[CellTrials]) -> list[str]:
    """Return the axes in the order of the cells; NO_AXIS is the last one, if an entry has no axis."""
    axes = dict.fromkeys(axis for trials in cells for axis in trials.cell.levels)
    return [*axes, *([NO_AXIS] if any(not trials.cell.levels for trials in cells) else [])]


def values_of(cells: Sequence[CellTrials], axis: str) -> list[str]:
    """Return the values of an axis as text: numbers by size, other values in the order of the cells."""
    texts = list(dict.fromkeys(text for trials in cells if (text := level_of(trials, axis)) is not None))
    try:
        return sorted(texts, key=lambda text: [float(part) for part in text.split()])
    except ValueError:
        return texts


def is_crossed(entry: Sequence[CellTrials]) -> bool:
    """Return whether a cell of an entry differs from the baseline in several axes at once."""
    baseline = baseline_of(entry)
    return any(len(differing_levels(trials, baseline)) > 1 for trials in entry)


def axis_points(
    cells: Sequence[CellTrials], axis: str, metric: Metric, effects: Mapping[tuple[str, str], Effect]
) -> list[AxisPoint]:
    """Return the point of each entry that has an axis at each of its values.

    In an entry whose cells differ from the baseline in one axis each, the cell with a value is compared with the
    baseline. In an entry whose other axes vary as well, the trials of all cells with the value are pooled, and not
    compared: the other axes are part of their spread.

    Args:
        cells: of one suite.
        axis: the axis.
        metric: the metric.
        effects: the change of each cell against its baseline, by the names of the cell and of the metric.
    """
    points = []
    values = values_of(cells, axis)
    for entry in cells_by_entry(cells).values():
        baseline, crossed = baseline_of(entry), is_crossed(entry)
        for value in values:
            at_value = [
                trials
                for trials in entry
                if level_of(trials, axis) == value and (crossed or set(differing_levels(trials, baseline)) <= {axis})
            ]
            if at_value:
                usual = baseline is not None and level_of(baseline, axis) == value
                points.append(
                    make_axis_point(value, at_value, None if usual else baseline, metric, effects, usual=usual)
                )
    return points


def make_axis_point(
    value: str,
    cells: Sequence[CellTrials],
    against: CellTrials | None,
    metric: Metric,
    effects: Mapping[tuple[str, str], Effect],
    *,
    usual: bool,
) -> AxisPoint:
    """Return what the cells of an entry with one value of an axis measure, compared with a baseline if there is one."""
    first, compared = cells[0], None
    if len(cells) > 1:
        together = median_interval([number for trials in cells for number in values_by_block(trials, metric).values()])
    else:
        together = estimate_cell(first, metric)
        if against is not None and len(differing_levels(first, against)) == 1:
            compared = effects.get((first.cell.name, metric.name))
    return AxisPoint(first.cell.scenario, value, usual, together, compared, len(cells), missing_reason(cells))


def missing_reason(cells: Sequence[CellTrials]) -> MissingReason | None:
    """Return why no trial of any of the cells is done; None if one is."""
    if any(trials.done for trials in cells):
        return None
    if any(trials.failed for trials in cells):
        return "failed"
    return "not applicable" if any(trials.not_applicable is not None for trials in cells) else "not run"
