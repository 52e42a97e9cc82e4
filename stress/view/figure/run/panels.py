# SPDX-License-Identifier: MIT
"""Several timelines on one sheet, with the same latency axis, so that their heights can be compared."""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stress.analysis.attribution.findings import Findings
from stress.view.figure import style
from stress.view.figure.caption import caption, detail, draw_caption
from stress.view.figure.run.packets import draw_packets, example_to_show
from stress.view.figure.run.timeline import draw_timeline, latency_limits, legend_entries

# Lengths in inches.
WIDTH_IN, HEADER_IN, CELL_IN, FOOTER_IN = 12.0, 0.9, 2.92, 0.76
LEFT_IN, GAP_IN = 0.22, 0.1  # of the sheet, and between cells
TICKS_IN, RUNGS_IN = 0.68, 1.24  # left and right of axes: the latencies, and the names of the rungs
TEXT_IN, AXES_IN = 0.99, 1.44  # the height of what stands above the axes, and theirs
INDENT_IN = 0.36  # of texts, behind the letter of a panel
LINE_IN = 0.185
HOW_LETTERS, DETAIL_LETTERS = 46, 53  # in a line
MORE_LETTERS = 8  # in the first cell of a row, which is wider
TOGETHER = re.compile(r"(?<=\d) (?=(?:ns|µs|ms|s)\b)| (?=\()")  # a number and its unit, a figure and its share


@dataclass(frozen=True)
class Case:
    """One panel.

    Attributes:
        letter: by which texts refer to it.
        title: what connect() does there.
        how: how that is made.
        findings: the run.
        packets: what to know of the packets of one of its attempts.
    """

    letter: str
    title: str
    how: str
    findings: Findings
    packets: str = ""


@dataclass(frozen=True)
class Cell:
    """The place of a panel on the sheet, in inches from the left and from the top."""

    left_in: float
    top_in: float
    first: bool  # of its row


def cells(count: int, columns: int) -> list[Cell]:
    """Return the places of so many cells, row by row; the first of each row has room for the latencies."""
    pitch_in = axes_width_in(columns) + RUNGS_IN + GAP_IN
    places = (divmod(number, columns) for number in range(count))
    return [
        Cell(LEFT_IN + (TICKS_IN + column * pitch_in if column else 0), HEADER_IN + row * CELL_IN, not column)
        for row, column in places
    ]


def axes_width_in(columns: int) -> float:
    """Return the width of each panel's axes."""
    return (WIDTH_IN - LEFT_IN - TICKS_IN - columns * RUNGS_IN - (columns - 1) * GAP_IN) / columns


def panels_figure(cases: Sequence[Case], title: str) -> Figure:
    """Return one panel per run, two in a row, or three of more than four; the sheet is 1920 pixels wide.

    Where a cell is left over, it shows the packets of one attempt, if those of a run were captured.

    Args:
        cases: the panels.
        title: of the sheet.
    """
    columns = 2 if len(cases) <= 4 else 3
    rows = -(-len(cases) // columns)
    height_in = HEADER_IN + rows * CELL_IN + FOOTER_IN
    with matplotlib.style.context(["default", style.RC]):
        figure = Figure(figsize=(WIDTH_IN, height_in), dpi=style.DPI)
        FigureCanvasAgg(figure)
        runs = [case.findings for case in cases]
        figure.text(0.018, 1 - 0.14 / height_in, title, fontsize=18, fontweight="bold", verticalalignment="top")
        samples = legend_entries(runs, counted=False)
        figure.legend(handles=samples, loc="upper left", bbox_to_anchor=(0.013, 1 - 0.52 / height_in), ncols=8)
        limits_ns = latency_limits(runs)
        places = cells(rows * columns, columns)
        for number, (case, cell) in enumerate(zip(cases, places, strict=False)):
            draw_panel(figure, cell, case, limits_ns, columns=columns, is_lowest=number + columns >= len(cases))
        if len(cases) < len(places):
            draw_example(figure, places[len(cases)], cases)
        draw_caption(figure, common_caption(cases), font_size=7)
        return figure


def draw_panel(
    figure: Figure,
    cell: Cell,
    case: Case,
    limits_ns: tuple[float, float],
    *,
    columns: int,
    is_lowest: bool,
) -> None:
    """Draw one run into its cell."""
    height_in = figure.get_figheight()
    draw_heading(figure, cell, case)
    left_in = cell.left_in + (TICKS_IN if cell.first else 0)
    bottom_in = height_in - cell.top_in - TEXT_IN - AXES_IN
    axes = figure.add_axes(
        (left_in / WIDTH_IN, bottom_in / height_in, axes_width_in(columns) / WIDTH_IN, AXES_IN / height_in)
    )
    draw_timeline(axes, case.findings, limits_ns, font_size=8)
    axes.tick_params(labelsize=9, labelleft=cell.first)
    if cell.first:
        axes.set_ylabel("latency of connect(), log scale", fontsize=9)
        axes.yaxis.set_label_coords(-0.6 / axes_width_in(columns), 0.5)
    if is_lowest:
        axes.set_xlabel("start of the attempt, in seconds", fontsize=9, labelpad=2)


def draw_heading(figure: Figure, cell: Cell, case: Case) -> None:
    """Write what stands above a panel: its letter and title, how it is made, and quietly what came of it."""
    more = MORE_LETTERS if cell.first else 0
    ending = TOGETHER.sub("\N{NO-BREAK SPACE}", detail(case.findings))
    lines = [(line, 9.5, style.INK) for line in textwrap.wrap(case.how, HOW_LETTERS + more)]
    lines += [(line, 8.5, style.QUIET) for line in textwrap.wrap(ending, DETAIL_LETTERS + more)]
    write_heading(figure, cell, f"({case.letter})", case.title, lines)


def write_heading(figure: Figure, cell: Cell, letter: str, title: str, lines: list[tuple[str, float, str]]) -> None:
    """Write a title, and below it lines with their sizes and colours."""
    height_in = figure.get_figheight()
    left, indent = cell.left_in / WIDTH_IN, (cell.left_in + INDENT_IN) / WIDTH_IN
    top = 1 - cell.top_in / height_in
    figure.text(left, top, letter, fontsize=12.5, fontweight="bold", verticalalignment="top")
    figure.text(indent, top, title, fontsize=12.5, fontweight="bold", verticalalignment="top")
    for number, (line, size, colour) in enumerate(lines):
        below = (0.23 + number * LINE_IN) / height_in
        figure.text(indent, top - below, line, fontsize=size, color=colour, verticalalignment="top")


def draw_example(figure: Figure, cell: Cell, cases: Sequence[Case]) -> None:
    """Draw the packets of one attempt into a cell, of the first run that has any."""
    for case in cases:
        if (evidence := example_to_show(case.findings)) is None:
            continue
        lines = [(line, 9.5, style.INK) for line in textwrap.wrap(case.packets, HOW_LETTERS)]
        write_heading(figure, cell, f"({case.letter})", "packet by packet", lines)
        height_in = figure.get_figheight()
        text_in = 0.36 + LINE_IN * len(lines)
        axes = figure.add_axes(
            (
                (cell.left_in + 0.1) / WIDTH_IN,
                (height_in - cell.top_in - CELL_IN + 0.2) / height_in,
                (axes_width_in(3) + RUNGS_IN - 0.2) / WIDTH_IN,
                (CELL_IN - 0.2 - text_in) / height_in,
            )
        )
        draw_packets(axes, evidence, font_size=8)
        return


def common_caption(cases: Sequence[Case]) -> list[str]:
    """Return what all runs have in common, then what is particular to each."""
    captions = [caption(case.findings) for case in cases]
    common = [phrase for phrase in captions[0] if all(phrase in phrases for phrases in captions)]
    return common + [
        f"({case.letter}) " + ", ".join(phrase for phrase in phrases if phrase not in common)
        for case, phrases in zip(cases, captions, strict=True)
    ]
