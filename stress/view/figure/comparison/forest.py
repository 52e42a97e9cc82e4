# SPDX-License-Identifier: MIT
"""The forest plot: the change of every comparison with its interval, compared with the change that matters.

Ratios and differences of all units share one axis, because each is drawn in multiples of its own threshold; of ratios
the logarithm, so that 2 and 1/2 are equally far out. Worse is to the right, whatever the direction of the metric.
"""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from stress.analysis.comparison.verdict import Comparison
from stress.model.text import plural
from stress.view.figure import style
from stress.view.figure.caption import draw_caption
from stress.view.figure.sheet import draw_head
from stress.view.figure.verdict_style import VERDICT_LOOKS, verdict_marker
from stress.view.text import comparison_wording as words
from stress.view.text import metric_wording
from stress.view.text.forest_lines import ForestLine, axis_limit, axis_ticks, lines_by_row, omitted_text, threshold_text

# All lengths in inches.
WIDTH, LEFT, PLOT, LINE = 12.0, 2.4, 3.9, 0.215
HEADER, FOOTER = 1.3, 0.98
COLUMNS = (0.12, 0.88, 2.42, 3.3, 3.85)  # right of the plot: change, interval, threshold, p, verdict
FONT_PT, MARK_PT = 8.5, 6.5
HEADS = ("change", "interval", "matters from", "p", "verdict")


def forest_figure(comparisons: Sequence[Comparison]) -> Figure:
    """Return the forest plot of comparisons by row, 1920 pixels wide."""
    rows = lines_by_row(comparisons)
    places = sum(len(lines) + 1 for lines in rows.values())
    height = HEADER + max(places, 2) * LINE + FOOTER
    with matplotlib.style.context(["default", style.RC]):
        figure = Figure(figsize=(WIDTH, height), dpi=style.DPI)
        FigureCanvasAgg(figure)
        _draw_head(figure, comparisons)
        foot = FOOTER / height
        axes = figure.add_axes((LEFT / WIDTH, foot, PLOT / WIDTH, 1 - foot - HEADER / height), label="forest")
        _prepare_axes(axes, axis_limit([line for lines in rows.values() for line in lines]), max(places, 2))
        place = 0
        for row, lines in rows.items():
            _draw_row_name(axes, row, place)
            for number, line in enumerate(lines, start=1):
                _draw_line(axes, line, place + number)
            place += len(lines) + 1
        if not rows:
            axes.text(0.5, 0.5, "nothing was compared", transform=axes.transAxes, ha="center", color=style.QUIET)
        draw_caption(figure, caption_phrases(comparisons), font_size=7.5)
        figure.texts[-1].set_y(0.13 / height)
    return figure


def caption_phrases(comparisons: Sequence[Comparison]) -> list[str]:
    """Return how to read the plot, and what it leaves out, as phrases."""
    phrases = [omitted_text(comparisons)]
    levels = sorted(comparison.level for comparison in comparisons if comparison.level)
    if levels:
        sure = metric_wording.span_text([metric_wording.percent_text(level) for level in levels])
        phrases.append(f"bar: interval of the change, {sure} confidence")
        phrases.append("grey: smaller than what matters; of a ratio by its logarithm")
    if any(comparison.gating for comparison in comparisons):
        phrases.append("bold: gates")
    return [*(phrase for phrase in phrases if phrase), words.method_text(comparisons).rstrip(".")]


def _draw_head(figure: Figure, comparisons: Sequence[Comparison]) -> None:
    """Write the title and the summary, and draw the legend."""
    height = figure.get_figheight()
    draw_head(figure, words.sentence(comparisons))
    text = words.arms_text(comparisons) or plural(len(comparisons), "comparison")
    text_pt = min(10.5, (WIDTH - 0.44) * 72 / 0.55 / len(text))
    figure.text(0.018, 1 - 0.66 / height, text, fontsize=text_pt, color=style.QUIET, verticalalignment="top")
    present = {comparison.verdict for comparison in comparisons}
    samples = [
        verdict_marker(verdict, size=7)
        for verdict in words.SEVERITY
        if verdict in present and VERDICT_LOOKS[verdict].marker
    ]
    if samples:
        place = (0.013, 1 - 0.93 / height)
        figure.legend(
            handles=samples, loc="upper left", bbox_to_anchor=place, ncols=len(samples), fontsize=9, handletextpad=0.3
        )


def _prepare_axes(axes: Axes, limit: float, places: int) -> None:
    axes.set_xscale("asinh", linear_width=1)
    axes.set_xlim(-limit, limit)
    axes.set_ylim(places - 0.5, -0.5)
    axes.yaxis.set_major_locator(NullLocator())
    axes.spines["left"].set_visible(False)
    axes.axvspan(-1, 1, facecolor="#e3e7ec", linewidth=0, zorder=0.2)
    axes.axvline(0, color=style.QUIET, linewidth=0.8, zorder=0.4)
    ticks = roomy_ticks(axis_ticks(limit), limit)
    axes.xaxis.set_major_locator(FixedLocator([*(-tick for tick in reversed(ticks)), 0, *ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: metric_wording.count_text(abs(value)) if value else "0")
    )
    axes.tick_params(axis="x", labelsize=FONT_PT)
    axes.grid(visible=True, axis="x")
    axes.set_xlabel(
        "◀ better      change, in multiples of the least that matters, log scale beyond 1      worse ▶", fontsize=9
    )
    for at, head in zip(COLUMNS, HEADS, strict=True):
        _write(axes, at, -0.95, head, color=style.QUIET)


def roomy_ticks(ticks: Sequence[float], limit: float) -> list[float]:
    """Return the ticks, ascending, whose labels do not touch that of the one before; 0 has a label too."""
    roomy = [0.0]
    for tick in ticks:
        way_pt = (math.asinh(tick) - math.asinh(roomy[-1])) / math.asinh(limit) * PLOT / 2 * 72
        letters = sum(len(metric_wording.count_text(value)) for value in (tick, roomy[-1]))
        if way_pt > (0.32 * letters + 0.7) * FONT_PT:
            roomy.append(tick)
    return roomy[1:]


def _write(axes: Axes, inch: float, place: float, text: str, **look: Any) -> None:
    """Write text at the height of a line, ``inch`` to the right of the plot, or to its left if negative."""
    look = {"color": style.INK, "fontsize": FONT_PT, **look}
    at = 1 + inch / PLOT if inch >= 0 else inch / PLOT
    axes.text(at, place, text, transform=axes.get_yaxis_transform(), verticalalignment="center", **look)


def _draw_row_name(axes: Axes, row: str, place: int) -> None:
    """Write the name of a row on a stripe across the figure."""
    stripe = (-(LEFT - 0.2) / PLOT, place - 0.46)
    axes.add_patch(
        Rectangle(
            stripe, (WIDTH - 0.4) / PLOT, 0.92, transform=axes.get_yaxis_transform(), clip_on=False,
            facecolor="#f4f6f8", linewidth=0, zorder=0.6,
        )
    )  # fmt: skip
    size = min(FONT_PT, (WIDTH - 0.6) * 72 / 0.7 / max(1, len(row)))
    _write(axes, 0.25 - LEFT, place, row or "all", fontsize=size, fontweight="bold", zorder=5)


def _draw_line(axes: Axes, line: ForestLine, place: int) -> None:
    """Draw a comparison, its name to the left and its numbers to the right."""
    comparison = line.comparison
    look = VERDICT_LOOKS[comparison.verdict]
    name = words.name_text(comparison)
    room_pt = (LEFT - 0.5) * 72
    _write(
        axes, 0.4 - LEFT, place, name, fontweight="bold" if comparison.gating else "normal",
        fontsize=min(FONT_PT, room_pt / 0.66 / len(name)),
    )  # fmt: skip
    change, interval = words.effect_texts(comparison)
    texts = (
        change,
        interval,
        threshold_text(comparison),
        words.p_text(comparison.adjusted_p),
        words.verdict_text(comparison),
    )
    for number, (at, text) in enumerate(zip(COLUMNS, texts, strict=True)):
        colour = look.colour if number in (0, len(COLUMNS) - 1) else style.QUIET
        _write(axes, at, place, text, color=colour)
    if line.effect is None:
        axes.axhline(place, color=style.FAINT, linewidth=0.8, linestyle=(0, (1, 3)), label="no data")
        return
    axes.plot(
        [line.low, line.high], [place, place], color=look.colour, linewidth=1.6, solid_capstyle="butt", zorder=3,
        label="interval",
    )  # fmt: skip
    mark = verdict_marker(comparison.verdict, size=MARK_PT)
    mark.set_data([line.effect], [place])
    axes.add_line(mark)
