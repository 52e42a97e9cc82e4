# SPDX-License-Identifier: MIT
"""Several timelines on one sheet, with the same latency axis, so that their heights can be compared."""

import string
from collections.abc import Sequence

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stress.analysis.attribution.findings import Findings
from stress.view.figure import style
from stress.view.figure.caption import caption, detail, draw_caption
from stress.view.figure.run.timeline import draw_timeline, latency_limits, legend_entries

COLUMNS = 2
HEADER_IN, PANEL_IN, FOOTER_IN = 0.84, 2.55, 0.81


def panels_figure(cases: Sequence[tuple[str, Findings]], title: str) -> Figure:
    """Return one panel per run, two in a row; four panels make 1920 x 1080 pixels.

    Args:
        cases: the heading of each panel, and its run.
        title: of the sheet.
    """
    rows = -(-len(cases) // COLUMNS)
    inch = 1 / (HEADER_IN + rows * PANEL_IN + FOOTER_IN)
    limits_ns = latency_limits([findings for _, findings in cases])
    with matplotlib.style.context(["default", style.RC]):
        figure = Figure(figsize=(12, 1 / inch), dpi=style.DPI)
        FigureCanvasAgg(figure)
        figure.text(0.018, 1 - 0.14 * inch, title, fontsize=18, fontweight="bold", verticalalignment="top")
        samples = legend_entries([findings for _, findings in cases], counted=False)
        figure.legend(handles=samples, loc="upper left", bbox_to_anchor=(0.013, 1 - 0.52 * inch), ncols=8)
        for number, (heading, findings) in enumerate(cases):
            row, column = divmod(number, COLUMNS)
            left, top = 0.018 + 0.5 * column, 1 - (HEADER_IN + row * PANEL_IN) * inch
            letter = f"({string.ascii_lowercase[number]})"
            figure.text(left, top, letter, fontsize=12.5, fontweight="bold", verticalalignment="top")
            indent = left + 0.026
            figure.text(indent, top, heading, fontsize=12.5, fontweight="bold", verticalalignment="top")
            figure.text(
                indent,
                top - 0.24 * inch,
                detail(findings),
                fontsize=10,
                color=style.QUIET,
                verticalalignment="top",
            )
            axes = figure.add_axes((left + 0.056, top - 2.22 * inch, 0.325, 1.62 * inch))
            draw_timeline(axes, findings, limits_ns, font_size=8.5)
            axes.set_ylabel("latency of connect()")
            axes.yaxis.set_label_coords(-0.166, 0.5)
            if number >= len(cases) - COLUMNS:
                axes.set_xlabel("start of the attempt, in seconds since the storm began")
        draw_caption(figure, _caption([findings for _, findings in cases]), font_size=7)
        return figure


def _caption(runs: Sequence[Findings]) -> list[str]:
    """Return what all runs have in common, then what is particular to each."""
    captions = [caption(findings) for findings in runs]
    common = [phrase for phrase in captions[0] if all(phrase in phrases for phrases in captions)]
    return common + [
        f"({letter}) " + ", ".join(phrase for phrase in phrases if phrase not in common)
        for letter, phrases in zip(string.ascii_lowercase, captions, strict=False)
    ]
