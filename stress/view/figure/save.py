# SPDX-License-Identifier: MIT
"""Figures as files: the one place that writes them."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from stress.model import atomic
from stress.model.text import shown_text
from stress.view.figure import style

MARKS_MAX = 2000  # of one line in an SVG; of more, the line is pixels


def save_figure(figure: Figure, path: Path, *, with_svg: bool = False) -> None:
    """Write a figure, complete or not at all; the same figure has the same bytes every time.

    Args:
        figure: as the functions of this room return it.
        path: of the PNG.
        with_svg: whether to write an SVG of the same name next to it, in which dense layers are pixels.

    Raises:
        OSError: it cannot be written.
    """
    for text in figure.findobj(Text):
        if isinstance(text, Text) and not text.get_text().isprintable():
            text.set_text(shown_text(text.get_text()))  # no font has control characters, and matplotlib prints that
    with matplotlib.style.context(["default", style.RC]):
        with atomic.open_file(path) as stream:
            figure.savefig(stream, format="png", metadata={"Software": None})
        if with_svg:
            for line in figure.findobj(Line2D):
                if isinstance(line, Line2D) and np.size(line.get_xdata()) > MARKS_MAX:
                    line.set_rasterized(True)
            with atomic.open_file(path.with_suffix(".svg")) as stream:
                figure.savefig(stream, format="svg", metadata={"Creator": None, "Date": None})


def save_sheets(figures: Sequence[Figure], path: Path, *, with_svg: bool = False) -> list[Path]:
    """Write the sheets of one picture, and remove those of an earlier, longer one.

    Args:
        figures: one or more.
        path: of the first sheet; of the others it has their number added.
        with_svg: whether to write each as SVG too.

    Returns:
        The paths of the sheets.

    Raises:
        OSError: one cannot be written.
    """
    paths = [path, *(path.with_stem(f"{path.stem}-{number}") for number in range(2, len(figures) + 1))]
    for figure, target in zip(figures, paths, strict=True):
        save_figure(figure, target, with_svg=with_svg)
    stale = len(figures) + 1
    while (left := path.with_stem(f"{path.stem}-{stale}")).exists():
        left.unlink()
        left.with_suffix(".svg").unlink(missing_ok=True)
        stale += 1
    return paths
