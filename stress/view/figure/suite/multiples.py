# SPDX-License-Identifier: MIT
"""Small multiples of a suite: one column per axis, one row per metric, one series per entry."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stress.analysis.comparison.axis_points import (
    NO_AXIS,
    UNVARIED_TEXT,
    axes_of,
    axis_points,
    cells_by_entry,
    values_of,
)
from stress.analysis.metric import Metric, find_metric
from stress.analysis.statistics.trials import CellTrials
from stress.view.figure import style
from stress.view.figure.caption import draw_caption
from stress.view.figure.metric_axis import Scale, scale_of
from stress.view.figure.series_style import series_looks, series_marker
from stress.view.figure.sheet import draw_head
from stress.view.figure.style import Look
from stress.view.figure.suite.grid import Grid, all_points, interval_ends, points_by_metric, reading_notes
from stress.view.figure.suite.level_panel import (
    LETTER,
    draw_panel,
    draw_value_names,
    fit_value_names,
    value_names,
)
from stress.view.text import metric_wording as words

COLUMNS_MAX = 6  # axes; of more, changes.py draws what changed
HIGHEST = 7.6  # of the sheet, inches: what a laptop screen of its width shows
# All lengths in inches.
WIDTH, LEFT, RIGHT, GAP = 12.0, 1.06, 0.2, 0.16
TITLE, LEGEND_ROW, HEAD, ROW, ROW_GAP = 0.58, 0.23, 0.34, 0.94, 0.1
ALARM, ROW_LEAST = 0.24, 0.42
WIDEST = 4.5  # a panel
CAPTION_PT, NAME_PT, HEAD_PT, HEAD_LEAST_PT, LEGEND_PT = 7.5, 8.0, 10.0, 8.0, 9.5
HEAD_LETTER = 0.62  # the width of a letter as a share of the font's size in names of settings, mostly narrow ones
FOOT = 0.024  # share of the sheet's height below the caption


@dataclass(frozen=True)
class _Column:
    """An axis with its values, as they are named below its panels."""

    axis: str
    values: list[str]
    names: list[str]
    turned: float  # degrees
    height: float  # of the names
    usual: list[bool]  # whether a value is a baseline's


def _columns(cells: Sequence[CellTrials], axes: Sequence[str], width: float) -> list[_Column]:
    columns = []
    for axis in axes:
        # Every metric has the same trials.
        values, column = values_of(cells, axis), axis_points(cells, axis, find_metric("errors"), {})
        names, turned, height_pt = fit_value_names(value_names(column, values), width / len(values) * 72, NAME_PT)
        usual = [axis != NO_AXIS and any(p.baseline for p in column if p.level == value) for value in values]
        columns.append(_Column(axis, values, names, turned, height_pt / 72, usual))
    return columns


def multiples_figure(cells: Sequence[CellTrials], title: str, caption: Sequence[str], alarm: str = "") -> Figure:
    """Return the small multiples of a suite, 1920 pixels wide, as high as its metrics need and a laptop screen shows.

    Args:
        cells: of one suite.
        title: of the sheet.
        caption: phrases for its foot, to which the explanation of the marks and what is missing are added.
        alarm: what makes the numbers doubtful, such as a busy machine; ``""`` if nothing does.
    """
    grid, by = points_by_metric(cells), series_looks(list(cells_by_entry(cells)))
    axes = axes_of(cells) if grid else []
    width = min(WIDEST, (WIDTH - LEFT - RIGHT - (len(axes) - 1) * GAP) / max(1, len(axes)))
    columns_made = _columns(cells, axes, width)
    legends = [_series_entries(by), _reading_entries(grid)]
    columns_of = [max(1, int((WIDTH - 0.3) / max(map(_entry_width, entries), default=WIDTH))) for entries in legends]
    rows_of = [math.ceil(len(entries) / columns) for entries, columns in zip(legends, columns_of, strict=True)]
    head = TITLE + (ALARM if alarm else 0)
    top = head + LEGEND_ROW * sum(rows_of) + (0.08 if grid else 0.4)
    phrases = [*reading_notes(cells, grid), *caption]
    lines = math.ceil(sum(len(phrase) + 3 for phrase in phrases) / (WIDTH * 72 * 0.96 / (0.57 * CAPTION_PT) - 30))
    rest = (
        top + HEAD + max((column.height for column in columns_made), default=0) + 0.26 + lines * CAPTION_PT * 1.5 / 72
    )
    row = min(ROW, max(ROW_LEAST, (HIGHEST * (1 - FOOT) - rest) / max(1, len(grid)) - ROW_GAP))
    height = (rest + len(grid) * (row + ROW_GAP)) / (1 - FOOT)
    with matplotlib.style.context(["default", style.RC]):
        figure = Figure(figsize=(WIDTH, height), dpi=style.DPI)
        FigureCanvasAgg(figure)
        draw_head(figure, title, alarm)
        below = head
        for entries, columns, rows in zip(legends, columns_of, rows_of, strict=True):
            place = (0.013, 1 - below / height)
            figure.legend(
                handles=entries,
                loc="upper left",
                bbox_to_anchor=place,
                ncols=columns,
                fontsize=LEGEND_PT,
                handletextpad=0.5,
            )
            below += LEGEND_ROW * rows
        if columns_made:
            _draw_columns(figure, columns_made, grid, by, (top, width, row))
        if not grid:
            nothing = "every metric is zero or not measured" if any(cell.done for cell in cells) else "no trial is done"
            figure.text(0.018, 1 - (top - 0.15) / height, nothing, color=style.QUIET)
        draw_caption(figure, phrases, font_size=CAPTION_PT)
        return figure


def _draw_columns(
    figure: Figure, columns: Sequence[_Column], grid: Grid, by: Mapping[str, Look], place: tuple[float, float, float]
) -> None:
    """Draw axes next to each other; ``place`` is their top, and the width and height of a panel (inches)."""
    height, (top, width, row_height) = figure.get_figheight(), place
    heads, size = fit_axis_names([column.axis for column in columns], width * 72)
    for number, column in enumerate(columns):
        left = LEFT + number * (width + GAP)
        figure.text(left / WIDTH, 1 - (top + HEAD - 0.1) / height, heads[number], fontsize=size, fontweight="bold")
        for row, (label, cells) in enumerate(grid.items()):
            below = top + HEAD + row * (row_height + ROW_GAP) + row_height
            axes = figure.add_axes((left / WIDTH, 1 - below / height, width / WIDTH, row_height / height))
            scale = _metric_scale(find_metric(label), grid)
            draw_panel(axes, cells[column.axis], column.values, scale, by)
            axes.tick_params(axis="y", labelsize=NAME_PT, labelleft=not number, length=3 if not number else 0)
            if row == len(grid) - 1:
                draw_value_names(axes, column.names, column.usual, column.turned, NAME_PT)
            if not number:
                axes.set_ylabel(
                    words.name_text(find_metric(label)).replace(" per ", "\nper "), fontsize=9, color=style.INK
                )
                axes.yaxis.set_label_coords(-0.58 / width, 0.5)


def fit_axis_names(axes: Sequence[str], room_pt: float) -> tuple[list[str], float]:
    """Return the names of axes as they fit above their columns, long ones on two lines, and their font size (pt)."""
    names = [words.axis_text(axis) if axis != NO_AXIS else "nothing varied" for axis in axes]
    heads = [name if room_pt > HEAD_LETTER * HEAD_LEAST_PT * len(name) else _break_in_two(name) for name in names]
    longest = max(len(line) for head in heads for line in head.split("\n"))
    return heads, min(HEAD_PT, room_pt / HEAD_LETTER / longest)


def _break_in_two(name: str) -> str:
    """Return a name on two lines of about the same length, the first of which ends with a dot or underscore."""
    ends = [place for place, letter in enumerate(name, start=1) if letter in "._"] or [len(name)]
    middle = min(ends, key=lambda place: abs(place - len(name) / 2))
    return f"{name[:middle]}\n{name[middle:]}"


def _metric_scale(of: Metric, grid: Grid) -> Scale:
    return scale_of(of, interval_ends(grid[of.name]))


def _series_entries(by: Mapping[str, Look]) -> list[Line2D]:
    samples = [series_marker(look, filled=True) for look in by.values()]
    for sample, look in zip(samples, by.values(), strict=True):
        sample.set(linestyle="-", color=look.colour, linewidth=1.5)
    return samples


def _reading_entries(grid: Grid) -> list[Line2D]:
    every, samples = all_points(grid), []
    if any(point.effect for point in every):
        for filled, label in ((True, "changes against the baseline"), (False, "does not, or not surely")):
            samples.append(series_marker(Look(style.QUIET, "o", label), filled=filled))
    if any(point.baseline and point.level != UNVARIED_TEXT for point in every):
        samples.append(Line2D([], [], color=style.QUIET, linewidth=0.8, label="baseline; its value is in bold"))
    return samples


def _entry_width(sample: Line2D) -> float:
    return (len(str(sample.get_label())) * LETTER + 4.2) * LEGEND_PT / 72
