# SPDX-License-Identifier: MIT
"""Kernels side by side: one row per scenario, one column per kernel, each panel with latencies by cause."""

import math
from collections.abc import Iterable, Mapping, Sequence

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.findings import Findings
from stress.model.outcome import Cause, Outcome
from stress.model.text import join_words, plural
from stress.model.units import duration_text
from stress.view.figure import style
from stress.view.figure.caption import draw_caption
from stress.view.figure.cause_style import CAUSE_LOOKS
from stress.view.figure.sheet import draw_head
from stress.view.text.suite_causes import NOBODYS

# All lengths in inches.
WIDTH, LEFT, RIGHT, GAP = 12.0, 1.95, 0.15, 0.14
TICKS = 0.45  # of LEFT, where the numbers of the upright axes stand
TITLE, LEGEND, LEGEND_ROW, HEAD, ROW, ROW_GAP, AXIS, FOOT = 0.58, 0.14, 0.2, 0.5, 0.85, 0.16, 0.3, 0.5
HIGHEST, ROW_LEAST = 7.6, 0.4  # of the sheet: what a laptop screen of its width shows
ROW_PT, HEAD_PT, LEGEND_PT, LETTER = 10.5, 9.0, 9.0, 0.6
BOLD_LETTER = 0.68  # the width of a letter, of its height
LEGEND_LETTERS = int(WIDTH * 72 / LEGEND_PT / LETTER)  # in a row of the legend
LEGEND_MARK = 6  # letters that a mark and the space around it take
MARK_PT = 4.5
LOW_NS, HIGH_NS = 1e3, 2e11  # a microsecond to three minutes
BINS = 42
TICKS_NS = (1e4, 1e6, 1e9, 3e10)
SHOWN = (Outcome.RETRIED, Outcome.TIMED_OUT, Outcome.NO_PORT, Outcome.UNFINISHED)

Grid = Mapping[tuple[str, str], Findings | str]  # by row and column; a text says why there is no run


def kernel_grid_figure(grid: Grid, heads: Mapping[str, str], title: str, caption: Sequence[str]) -> Figure:
    """Return the latencies of each scenario on each kernel, 1920 pixels wide.

    Args:
        grid: the runs.
        heads: the text above each column.
        title: of the sheet.
        caption: phrases for its foot.
    """
    rows, columns = (list(dict.fromkeys(key[place] for key in grid)) for place in (0, 1))
    marks = legend_marks(grid)
    legend_columns = count_legend_columns(marks)
    legend = LEGEND + LEGEND_ROW * math.ceil(len(marks) / legend_columns)
    rest = TITLE + legend + HEAD + AXIS + FOOT
    row_height = min(ROW, max(ROW_LEAST, (HIGHEST - rest) / len(rows) - ROW_GAP))
    height = rest + len(rows) * (row_height + ROW_GAP)
    width = (WIDTH - LEFT - RIGHT - (len(columns) - 1) * GAP) / len(columns)
    head_pt = min(HEAD_PT, width * 72 / LETTER / longest(line for name in columns for line in heads[name].split("\n")))
    row_pt = min(ROW_PT, (LEFT - TICKS - 0.018 * WIDTH) * 72 / BOLD_LETTER / longest(rows))
    most = max((cell.outcomes.size for cell in grid.values() if isinstance(cell, Findings)), default=1)
    with matplotlib.style.context(["default", style.RC]):
        figure = Figure(figsize=(WIDTH, height), dpi=style.DPI)
        FigureCanvasAgg(figure)
        draw_head(figure, f"{title}: {kernels_headline(grid)}")
        figure.legend(
            handles=marks, loc="upper left", bbox_to_anchor=(0.013, 1 - TITLE / height),
            ncols=legend_columns, fontsize=LEGEND_PT,
        )  # fmt: skip
        for number, row in enumerate(rows):
            bottom = height - TITLE - legend - HEAD - row_height - number * (row_height + ROW_GAP)
            figure.text(0.018, (bottom + row_height / 2) / height, row, fontsize=row_pt, fontweight="bold", va="center")
            for place, column in enumerate(columns):
                left = LEFT + place * (width + GAP)
                if number == 0:
                    top = (bottom + row_height + 0.1) / height
                    figure.text(left / WIDTH, top, heads[column], fontsize=head_pt, linespacing=1.3)
                axes = figure.add_axes((left / WIDTH, bottom / height, width / WIDTH, row_height / height))
                draw_latencies(axes, grid.get((row, column), "not run"), most)
                axes.tick_params(labelleft=place == 0, labelbottom=number == len(rows) - 1, labelsize=7.5)
        axes.set_xlabel("latency of connect(); upwards attempts, both log scale", fontsize=8.5, loc="right")
        draw_caption(figure, caption, font_size=7.5)
        return figure


def kernels_headline(grid: Grid) -> str:
    """Return which rows meet other causes on some column than on another, and that none does."""
    by_row: dict[str, set[frozenset[Cause]]] = {}
    for (row, _), cell in grid.items():
        if isinstance(cell, Findings):
            known = {Cause(cause) for cause, count in cell.summary.causes.items() if count}
            by_row.setdefault(row, set()).add(frozenset(known - NOBODYS))
    differing = [row for row, kinds in by_row.items() if len(kinds) > 1]
    if not by_row:
        return "nothing was run"
    if not differing:
        return f"the same causes on every kernel, in all of {plural(len(by_row), 'scenario')}"
    count = f"{len(differing)} of {plural(len(by_row), 'scenario')}"
    return f"{count} met other causes from kernel to kernel, {join_words(differing)}"


def longest(texts: Iterable[str]) -> int:
    """Return the number of letters of the longest text."""
    return max(map(len, texts))


def count_legend_columns(marks: Sequence[Line2D]) -> int:
    """Return in how many columns the marks are: one for each where they fit into a row, else as many as have room."""
    letters = [len(str(mark.get_label())) + LEGEND_MARK for mark in marks]
    return max(len(marks), 1) if sum(letters) <= LEGEND_LETTERS else LEGEND_LETTERS // max(letters)


def legend_marks(grid: Grid) -> list[Line2D]:
    """Return the marks of the causes that occur."""
    there = [row.summary.causes for row in grid.values() if isinstance(row, Findings)]
    return [
        Line2D([], [], linestyle="none", marker=look.marker, markersize=7, color=look.colour, label=look.label)
        for cause, look in CAUSE_LOOKS.items()
        if any(causes.get(cause, 0) for causes in there)
    ]


def draw_latencies(axes: Axes, findings: Findings | str, most: int) -> None:
    """Draw the latencies of one run, one colour per cause, or write why there is no run."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(LOW_NS, HIGH_NS)
    axes.set_ylim(0.7, most * 8)
    axes.xaxis.set_major_locator(FixedLocator(TICKS_NS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: duration_text(value)))
    axes.yaxis.set_major_locator(LogLocator(base=100, numticks=4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True, axis="x")
    if isinstance(findings, str):
        axes.text(0.5, 0.5, findings, transform=axes.transAxes, ha="center", va="center", fontsize=8, color=style.QUIET)
        return
    edges = np.geomspace(LOW_NS, HIGH_NS, BINS + 1)
    latencies = np.clip(findings.run.attempts["latency_ns"], LOW_NS, HIGH_NS)
    for code, cause in enumerate(CAUSES):
        counts, _ = np.histogram(latencies[findings.causes == code], edges)
        if counts.any():
            look = CAUSE_LOOKS[cause]
            axes.stairs(counts, edges, baseline=0.7, fill=True, color=look.colour, alpha=0.85)
            peak = int(counts.argmax())  # the shape repeats what the colour says
            axes.plot(
                [math.sqrt(edges[peak] * edges[peak + 1])], [counts[peak] * 2.2], linestyle="none",
                marker=look.marker, markersize=MARK_PT, color=look.colour, label=look.label,
            )  # fmt: skip
    axes.text(0.985, 0.99, outcome_text(findings), transform=axes.transAxes, ha="right", va="top", fontsize=7.5)


def outcome_text(findings: Findings) -> str:
    """Return how the attempts ended that did not connect at once."""
    outcomes = findings.summary.outcomes
    parts = [f"{outcomes[cause]:,} {style.LOOKS[cause].label}" for cause in SHOWN if outcomes.get(cause)]
    return ", ".join(parts) or "all connected at once"
