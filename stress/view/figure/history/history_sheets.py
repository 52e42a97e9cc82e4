# SPDX-License-Identifier: MIT
"""The figures of a history: one small panel per series, those with changes first, on one or more sheets."""

import math
from collections.abc import Sequence

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stress.analysis.history.change_point import Direction, State, Track
from stress.view.figure import style
from stress.view.figure.caption import draw_caption
from stress.view.figure.history.history_panel import draw_history, panel_heading, step_marker
from stress.view.text.history_wording import change_text, importance

COLUMNS, ROWS_MAX = 3, 8
# All lengths in inches.
WIDTH, LEFT, RIGHT, GAP = 12.0, 0.62, 0.2, 0.62
TITLE, LEGEND, HEAD, PANEL, FOOT_ROWS = 0.52, 0.34, 0.36, 0.86, 0.5
CAPTION = 0.56
HEAD_PT, SUB_PT, LETTER = 8.5, 7.5, 0.69
CHANGED = {Direction.REGRESSED: "worse", Direction.IMPROVED: "better", Direction.CHANGED: "changed"}


def order_tracks(tracks: Sequence[Track]) -> list[Track]:
    """Return series in the order of their panels: those with the most important changes first, those without last."""
    return sorted(
        tracks,
        key=lambda track: min((importance(track, change) for change in track.changes), default=(True, len(State))),
    )


def split_into_sheets(tracks: Sequence[Track]) -> list[list[Track]]:
    """Return the series of each sheet: all with changes, and as many of the others as there is room for."""
    size = COLUMNS * ROWS_MAX
    changed = sum(bool(track.changes) for track in tracks)
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
    drawn = split_into_sheets(tracks)
    missing = len(tracks) - sum(map(len, drawn))
    several = len({track.series.testbed for track in tracks}) > 1
    figures = []
    for number, sheet in enumerate(drawn, start=1):
        phrases = [
            *([f"sheet {number} of {len(drawn)}"] if drawn[1:] else []),
            *([f"{missing:,} series without a change are not drawn"] if missing else []),
            "dots: medians of runs; bars: their intervals, of many runs the extremes; lines: levels",
            "confirmed: two detectors find it",
            "what lies beyond an axis is drawn at its edge",
            *caption,
        ]
        figures.append(_draw_sheet(sheet, title, phrases, several=several))
    return figures


def _draw_sheet(tracks: Sequence[Track], title: str, phrases: Sequence[str], *, several: bool) -> Figure:
    rows = math.ceil(len(tracks) / COLUMNS)
    pitch = HEAD + PANEL + FOOT_ROWS
    height = TITLE + LEGEND + rows * pitch + CAPTION
    width = (WIDTH - LEFT - RIGHT - (COLUMNS - 1) * GAP) / COLUMNS
    with matplotlib.style.context(["default", style.RC]):
        figure = Figure(figsize=(WIDTH, height), dpi=style.DPI)
        FigureCanvasAgg(figure)
        figure.text(
            0.018, 1 - 0.14 / height, title, fontsize=min(16, (WIDTH - 0.4) * 72 / 0.66 / max(1, len(title))),
            fontweight="bold", verticalalignment="top",
        )  # fmt: skip
        figure.legend(
            handles=_legend_entries(tracks),
            loc="upper left",
            bbox_to_anchor=(0.013, 1 - TITLE / height),
            ncols=6,
            fontsize=9,
        )
        for place, track in enumerate(tracks):
            left = LEFT + place % COLUMNS * (width + GAP)
            top = TITLE + LEGEND + place // COLUMNS * pitch
            axes = figure.add_axes((left / WIDTH, 1 - (top + HEAD + PANEL) / height, width / WIDTH, PANEL / height))
            _draw_head(figure, track, (left - 0.3, top, width + 0.3), several=several)
            draw_history(axes, track)
        draw_caption(figure, phrases, font_size=7.5)
        return figure


def _legend_entries(tracks: Sequence[Track]) -> list[Line2D]:
    """Return a mark for each kind of step that occurs."""
    there = {(change.direction, change.state) for track in tracks for change in track.changes}
    return [step_marker(way, state) for state in State for way in Direction if (way, state) in there]


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
    if track.changes:
        first = min(track.changes, key=lambda change: (importance(track, change), -change.place))
        text = (
            f"{change_text(series, first)} {CHANGED[first.direction]} since {series.points[first.place].time:%Y-%m-%d}"
        )
        figure.text(
            (left + width) / WIDTH, 1 - (top + 0.27) / height, text, fontsize=SUB_PT, horizontalalignment="right",
            color=style.QUIET if first.state is State.ACCEPTED else style.INK,
        )  # fmt: skip
