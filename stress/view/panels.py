# SPDX-License-Identifier: MIT
"""Several timelines on one sheet, with one latency axis, so that their heights compare."""

import string
from collections.abc import Sequence
from pathlib import Path

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stress.view import style
from stress.view.timeline import Scene, caption, draw, finding, key, latency_limits

COLUMNS = 2
HEADER_IN, PANEL_IN, FOOTER_IN = 0.92, 2.5, 0.83


def panels(scenes: Sequence[tuple[str, Scene]], title: str, path: Path) -> None:
    """Draw one panel per scene, two in a row, as a PNG; four panels make 1920 x 1080 pixels.

    Args:
        scenes: each with the line that heads its panel.
        title: of the sheet.
        path: of the PNG.
    """
    rows = -(-len(scenes) // COLUMNS)
    inch = 1 / (HEADER_IN + rows * PANEL_IN + FOOTER_IN)
    limits_ns = latency_limits([scene for _, scene in scenes])
    with matplotlib.style.context(["default", style.RC]):
        figure = Figure(figsize=(12, 1 / inch), dpi=style.DPI)
        FigureCanvasAgg(figure)
        figure.text(0.018, 1 - 0.17 * inch, title, fontsize=18, fontweight="bold", verticalalignment="top")
        samples = key([scene for _, scene in scenes], counted=False)
        figure.legend(handles=samples, loc="upper left", bbox_to_anchor=(0.013, 1 - 0.57 * inch), ncols=8)
        for number, (heading, scene) in enumerate(scenes):
            row, column = divmod(number, COLUMNS)
            left, top = 0.018 + 0.5 * column, 1 - (HEADER_IN + row * PANEL_IN) * inch
            letter = string.ascii_uppercase[number]
            figure.text(left, top, f"{letter}   {heading}", fontsize=12.5, fontweight="bold", verticalalignment="top")
            figure.text(left + 0.024, top - 0.25 * inch, finding(scene), fontsize=10, color=style.QUIET, verticalalignment="top")
            axes = figure.add_axes((left + 0.055, top - 2.25 * inch, 0.345, 1.52 * inch))
            draw(axes, scene, limits_ns, font_size=8.5)
            axes.set_ylabel("latency")
            if number >= len(scenes) - COLUMNS:
                axes.set_xlabel("time since the storm began (s), at the end of the attempt")
        style.draw_caption(figure, _caption([scene for _, scene in scenes]), font_size=7)
        figure.savefig(path, metadata={"Software": None})


def _caption(scenes: Sequence[Scene]) -> list[str]:
    """Return what all scenes have in common, then what sets each apart."""
    captions = [caption(scene) for scene in scenes]
    common = [phrase for phrase in captions[0] if all(phrase in phrases for phrases in captions)]
    return common + [
        f"{letter}: " + ", ".join(phrase for phrase in phrases if phrase not in common)
        for letter, phrases in zip(string.ascii_uppercase, captions, strict=False)
    ]
