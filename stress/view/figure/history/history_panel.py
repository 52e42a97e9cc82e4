# SPDX-License-Identifier: MIT
"""A panel of a history: points of one series with intervals, its levels, its steps, and the kernels and programs."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from stress.analysis.history.change import ChangePoint, Direction, Kind, State, Track
from stress.analysis.history.change_point import is_left_out
from stress.analysis.history.series import Point, Series
from stress.model.text import plural
from stress.view.figure import style
from stress.view.figure.metric_axis import Scale, scale_of
from stress.view.text.history_wording import maker_names
from stress.view.text.metric_wording import name_text

SINGLE_MAX = 250  # points that are drawn one by one; of more, columns
COLUMNS = 180
MOST = 0.98  # share of many points that the axis has room for; those beyond lie at its edge
FONT_PT, LETTER = 6.5, 0.62  # of the text below a panel; the width of a letter as a share of the font's size
LINE_PT = 8.5
MARK_PT = 5.0
# Of Okabe and Ito: everybody can tell vermilion and blue apart; shapes repeat what colours say.
COLOURS = {Direction.REGRESSED: "#D55E00", Direction.IMPROVED: "#0072B2", Direction.CHANGED: style.INK}
MARKERS = {Direction.REGRESSED: "X", Direction.IMPROVED: "D", Direction.CHANGED: "o"}
DRIFT_MARKERS = {Direction.REGRESSED: "^", Direction.IMPROVED: "v", Direction.CHANGED: ">"}  # where it begins
TOP = 1.0  # of the axes, where the marks of steps lie

Floats = npt.NDArray[np.float64]


def step_marker(direction: Direction, state: State, kind: Kind = Kind.STEP) -> Line2D:
    """Return the mark of a step without data: hollow if it is suspected, grey if it is accepted."""
    colour = style.QUIET if state is State.ACCEPTED else COLOURS[direction]
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=MARKERS[direction] if kind is Kind.STEP else DRIFT_MARKERS[direction],
        markersize=MARK_PT,
        markerfacecolor="white" if state is State.SUSPECTED else colour,
        markeredgecolor=colour,
        markeredgewidth=0.9,
        label=f"{direction}, {state}" + (" drift" if kind is Kind.DRIFT else ""),
        zorder=6,
        clip_on=False,
    )


def draw_history(axes: Axes, track: Track) -> None:
    """Draw a series into empty axes at their final place."""
    series = track.series
    scale = scale_of(series.metric, interval_ends(track))
    scale.apply(axes)
    axes.tick_params(axis="y", labelsize=FONT_PT + 0.5, length=2)
    axes.xaxis.set_major_locator(NullLocator())
    axes.grid(visible=True, axis="y")
    axes.set_xlim(-0.5 - 0.01 * len(series.points), len(series.points) - 0.5 + 0.01 * len(series.points))
    if len(series.points) > SINGLE_MAX:
        draw_columns(axes, series, scale)
    else:
        draw_points(axes, series, scale)
    drifting = {place for drift in track.drifts for place in range(drift.place, drift.last + 1)}
    for segment in track.segments:
        if drifting & {*range(segment.first, segment.last)}:
            continue
        level = clamp(segment.level, scale)
        axes.plot([segment.first - 0.5, segment.last - 0.5], [level, level], color=style.INK, linewidth=1.2, zorder=2.5)
    for drift in track.drifts:
        ends = [clamp(drift.before, scale), clamp(drift.after, scale)]
        axes.plot([drift.place, drift.last], ends, color=style.INK, linewidth=1.2, zorder=2.5)
    if track.two_levels is not None:
        for level in (track.two_levels.low, track.two_levels.high):
            axes.axhline(clamp(level, scale), color=style.INK, linewidth=0.8, linestyle=(0, (1, 2)), zorder=2.5)
    for change in track.all_changes:
        draw_change(axes, change)
    draw_makers(axes, series.points)


def interval_ends(track: Track) -> list[float]:
    """Return the ends of the intervals that a panel has room for, of many points of most of them, and every level."""
    points = track.series.points
    values = [end for point in points for end in (point.estimate.low, point.estimate.high)]
    if len(points) > SINGLE_MAX:
        values = [float(value) for value in np.quantile(values, (1 - MOST, MOST), method="inverted_cdf")]
    return [*values, *(segment.level for segment in track.segments)]


def clamp(value: float, scale: Scale) -> float:
    """Return a value, or the end of the axis that it lies beyond."""
    return min(max(value, scale.low), scale.high)


def draw_points(axes: Axes, series: Series, scale: Scale) -> None:
    """Draw each point with its interval."""
    estimates = [point.estimate for point in series.points]
    places = range(len(estimates))
    lows, highs = ([clamp(getattr(estimate, end), scale) for estimate in estimates] for end in ("low", "high"))
    axes.vlines(places, lows, highs, color=style.FAINT, linewidth=1.0, zorder=2)
    medians = [clamp(estimate.median, scale) for estimate in estimates]
    size = 2.6 if len(estimates) < 100 else 1.8
    axes.plot(
        places, medians, linestyle="none", marker="o", markersize=size, color="#5f7fa6", markeredgewidth=0, zorder=3
    )
    busy = [place for place in places if is_left_out(series, place)]
    axes.plot(
        busy, [medians[place] for place in busy], linestyle="none", marker="o", markersize=size,
        markerfacecolor="white", markeredgecolor="#5f7fa6", markeredgewidth=0.7, zorder=3.5,
    )  # fmt: skip


def draw_columns(axes: Axes, series: Series, scale: Scale) -> None:
    """Draw many points as columns from lowest to highest, with the median of each column."""
    parts = np.array_split(np.array(series.medians), COLUMNS)
    edges = np.cumsum([0, *(len(part) for part in parts)])
    places = (edges[:-1] + edges[1:] - 1) / 2

    def column_values(reduce: Callable[[Floats], float]) -> list[float]:
        return [clamp(float(reduce(part)), scale) for part in parts]

    axes.vlines(places, column_values(np.min), column_values(np.max), color=style.FAINT, linewidth=1.0, zorder=2)
    axes.plot(
        places,
        column_values(np.median),
        linestyle="none",
        marker="o",
        markersize=1.8,
        color="#5f7fa6",
        markeredgewidth=0,
        zorder=3,
    )


def draw_change(axes: Axes, change: ChangePoint) -> None:
    """Draw a step as a line with its mark at the top."""
    mark = step_marker(change.direction, change.state, change.kind)
    place = change.place - (0.5 if change.kind is Kind.STEP else 0)
    axes.axvline(
        place, color=mark.get_markeredgecolor(), linewidth=0.8, zorder=4,
        linestyle="-" if change.state is State.CONFIRMED else (0, (2, 2)),
    )  # fmt: skip
    mark.set_data([place], [TOP])
    mark.set_transform(axes.get_xaxis_transform())
    axes.add_line(mark)


def draw_makers(axes: Axes, points: Sequence[Point]) -> None:
    """Write below axes which kernel and which program made the runs from where on, and the first and last dates."""
    what_made, makers = maker_names(points)
    rows = ([point.kernel for point in points], makers)
    room = axes.bbox.width * 72 / style.DPI / (len(points) + 0.02 * len(points))  # pt per point
    for row, (names, what) in enumerate(zip(rows, ("Linux ", f"{what_made} "), strict=True)):
        written = -float("inf")  # end of the last text of the row, in points of the series
        for place in range(len(names)):
            if place and names[place] == names[place - 1]:
                continue
            if place:
                axes.plot([place - 0.5] * 2, [0, -0.04], transform=axes.get_xaxis_transform(), color=style.QUIET,
                          linewidth=0.7, clip_on=False)  # fmt: skip
            text = (what if not place else "") + names[place]
            length = LETTER * FONT_PT * len(text) / room
            if place - 0.5 > written and place + length < 1.04 * len(points):
                write_below(axes, place - 0.5, row, text)
                written = place + length + 3 / room
    first, last = points[0].time, points[-1].time
    form = "%Y-%m-%d %H:%M" if first.date() == last.date() and first != last else "%Y-%m-%d"
    write_below(axes, -0.5, 2, first.strftime(form))
    write_below(axes, len(points) - 0.5, 2, last.strftime(form), end="right")
    write_below(axes, len(points) / 2 - 0.5, 2, plural(len(points), "point"), end="center")


def write_below(axes: Axes, place: float, row: int, text: str, end: str = "left") -> None:
    """Write a text below axes, in a row from the top."""
    axes.annotate(
        text, (place, 0), xycoords=axes.get_xaxis_transform(), xytext=(0, -3 - LINE_PT * row), fontsize=FONT_PT,
        textcoords="offset points", ha=end, va="top", color=style.QUIET, annotation_clip=False,
    )  # fmt: skip


def panel_heading(series: Series, *, several: bool) -> str:
    """Return the heading of a panel: its metric, and the testbed if there are several."""
    old = "" if series.current else ", older plan"
    return f"{name_text(series.metric)}{f', testbed {series.testbed}' if several else ''}{old}"
