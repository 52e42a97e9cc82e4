# SPDX-License-Identifier: MIT
"""The figures of a history: one small panel per series, those with changes first, on one or more sheets."""

import math
import textwrap
from collections.abc import Sequence

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stress.analysis.history.change import Direction, Kind, State, Track
from stress.view.figure import style
from stress.view.figure.caption import draw_caption
from stress.view.figure.history.history_panel import draw_history, panel_heading, step_marker
from stress.view.figure.sheet import draw_head
from stress.view.text.history_names import shared_line, shorten_names
from stress.view.text.history_wording import busy_line, change_text, changed_line, importance
from stress.view.text.metric_wording import name_text

COLUMNS, ROWS_MAX = 3, 4  # what a laptop screen of their width shows
# All lengths in inches.
WIDTH, LEFT, RIGHT, GAP = 12.0, 0.62, 0.2, 0.62
TITLE, LEGEND, HEAD, PANEL, FOOT_ROWS = 0.58, 0.34, 0.36, 0.78, 0.46
CAPTION, NOTE, NOTE_LETTERS = 0.56, 0.19, 165
HEAD_PT, SUB_PT, LETTER = 8.5, 7.5, 0.69
CHANGED = {Direction.REGRESSED: "worse", Direction.IMPROVED: "better", Direction.CHANGED: "changed"}


def order_tracks(tracks: Sequence[Track]) -> list[Track]:
    """Return series in the order of their panels: those with the most important changes first, those without last."""
    return sorted(
        tracks,
        key=lambda track: min((importance(track, change) for change in track.all_changes), default=(True, len(State))),
    )


def is_zero(track: Track) -> bool:
    """Return whether a series is zero at every point, so that a picture of it would show nothing."""
    return all(point.estimate.low == point.estimate.high == 0 for point in track.series.points)


def split_into_sheets(tracks: Sequence[Track]) -> list[list[Track]]:
    """Return the series of each sheet: all with changes, and as many of the others as there is room for."""
    size = COLUMNS * ROWS_MAX
    changed = sum(bool(track.all_changes) for track in tracks)
    room = max(1, math.ceil(changed / size)) * size
    shown = order_tracks(tracks)[:room]
    return [shown[start : start + size] for start in range(0, len(shown), size)]


def history_figures(tracks: Sequence[Track], title: str, caption: Sequence[str]) -> list[Figure]:
    """Return the sheets of a history, 1920 pixels wide.

    Args:
        tracks: its series; one or more.
        title: of every sheet.
        caption: phrases for the foot, to which the explanation of the marks is added.
    """
    shared, tracks = shared_line(tracks), shorten_names(tracks)
    zeros = [track for track in tracks if is_zero(track)]
    others = [track for track in tracks if not is_zero(track)]
    longer = [track for track in others if track.series.points[1:]]
    rest = longer or others
    drawn = split_into_sheets(rest) if rest else [[]]
    missing = len(rest) - sum(map(len, drawn))
    note = zeros_text(zeros)
    several = len({track.series.testbed for track in tracks}) > 1
    figures = []
    for number, sheet in enumerate(drawn, start=1):
        phrases = [
            *([f"sheet {number} of {len(drawn)}"] if drawn[1:] else []),
            *([shared] if shared else []),
            *([f"{missing:,} series without a change are not drawn"] if missing else []),
            *([f"{len(others) - len(rest):,} series of a single point are not drawn"] if others[len(rest) :] else []),
            "dots: medians of runs; bars: their intervals, of many runs the extremes; lines: levels",
            "confirmed: two detectors find it",
            *(["drift: a slope explains more than steps"] if any(track.drifts for track in tracks) else []),
            *(["dotted: two levels"] if any(track.two_levels for track in tracks) else []),
            *([line.rstrip(".")] if (line := changed_line(tracks)) else []),
            *(["hollow dots: busy machine, not looked at"] if busy_line(tracks) else []),
            "what lies beyond an axis is drawn at its edge",
            "times and rates: log scale; counts: linear below the first tick",
            *caption,
        ]
        figures.append(_draw_sheet(sheet, title, phrases, note, several=several))
    return figures


def zeros_text(tracks: Sequence[Track]) -> str:
    """Return which series are zero at every point: ``'zero at every point: clean retries per million'``."""
    names = dict.fromkeys(f"{track.series.cell} {name_text(track.series.metric)}" for track in tracks)
    return f"zero at every point: {', '.join(names)}" if names else ""


def _draw_sheet(tracks: Sequence[Track], title: str, phrases: Sequence[str], note: str, *, several: bool) -> Figure:
    rows = math.ceil(len(tracks) / COLUMNS)
    pitch = HEAD + PANEL + FOOT_ROWS
    entries = _legend_entries(tracks)
    top_of_panels = TITLE + (LEGEND if entries else 0)
    notes = textwrap.wrap(note, NOTE_LETTERS, max_lines=3, placeholder=" …")
    height = top_of_panels + rows * pitch + len(notes) * NOTE + CAPTION
    width = (WIDTH - LEFT - RIGHT - (COLUMNS - 1) * GAP) / COLUMNS
    with matplotlib.style.context(["default", style.RC]):
        figure = Figure(figsize=(WIDTH, height), dpi=style.DPI)
        FigureCanvasAgg(figure)
        draw_head(figure, title)
        figure.legend(
            handles=entries,
            loc="upper left",
            bbox_to_anchor=(0.013, 1 - TITLE / height),
            ncols=6,
            fontsize=9,
        )
        for place, track in enumerate(tracks):
            left = LEFT + place % COLUMNS * (width + GAP)
            top = top_of_panels + place // COLUMNS * pitch
            axes = figure.add_axes((left / WIDTH, 1 - (top + HEAD + PANEL) / height, width / WIDTH, PANEL / height))
            _draw_head(figure, track, (left - 0.3, top, width + 0.3), several=several)
            draw_history(axes, track)
        for number, line in enumerate(reversed(notes)):
            figure.text(0.018, (CAPTION + number * NOTE) / height, line, fontsize=HEAD_PT)
        draw_caption(figure, phrases, font_size=7.5)
        figure.texts[-1].set_y(0.1 / height)
        return figure


def _legend_entries(tracks: Sequence[Track]) -> list[Line2D]:
    """Return a mark for each kind of step that occurs."""
    there = {(change.kind, change.state, change.direction) for track in tracks for change in track.all_changes}
    return [
        step_marker(way, state, kind)
        for kind in Kind
        for state in State
        for way in Direction
        if (kind, state, way) in there
    ]


def _draw_head(figure: Figure, track: Track, place: tuple[float, float, float], *, several: bool) -> None:
    """Write the heading and the most important change of a panel; ``place`` is left, top and width (inches)."""
    left, top, width = place
    height, series = figure.get_figheight(), track.series
    cell_pt = min(HEAD_PT, width * 72 / LETTER / len(series.cell))
    figure.text(left / WIDTH, 1 - (top + 0.13) / height, series.cell, fontsize=cell_pt, fontweight="bold")
    figure.text(
        left / WIDTH,
        1 - (top + 0.27) / height,
        panel_heading(series, several=several),
        fontsize=SUB_PT,
        color=style.QUIET,
    )
    if track.two_levels is not None and not track.all_changes:
        figure.text(
            (left + width) / WIDTH, 1 - (top + 0.27) / height, f"two levels, {len(track.two_levels.flips)} flips",
            fontsize=SUB_PT, horizontalalignment="right", color=style.QUIET,
        )  # fmt: skip
    if track.all_changes:
        first = min(track.all_changes, key=lambda change: (importance(track, change), -change.place))
        text = (
            f"{change_text(series, first)} {CHANGED[first.direction]} since {series.points[first.place].time:%Y-%m-%d}"
        )
        if first.went_away:
            text += ", went away"
        figure.text(
            (left + width) / WIDTH, 1 - (top + 0.27) / height, text, fontsize=SUB_PT, horizontalalignment="right",
            color=style.QUIET if first.state is State.ACCEPTED else style.INK,
        )  # fmt: skip
