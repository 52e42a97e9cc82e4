# SPDX-License-Identifier: MIT
"""Figures as files: the one place that writes them."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.style
from matplotlib.figure import Figure

from stress.model import atomic
from stress.view.figure import style


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure, complete or not at all; the same figure has the same bytes every time.

    Args:
        figure: as the functions of this room return it.
        path: its ending says the format: ``.png``.

    Raises:
        OSError: it cannot be written.
    """
    with matplotlib.style.context(["default", style.RC]), atomic.open_file(path) as stream:
        figure.savefig(stream, format=path.suffix.removeprefix(".") or "png", metadata={"Software": None})


def save_sheets(figures: Sequence[Figure], path: Path) -> list[Path]:
    """Write the sheets of one picture, and remove those of an earlier, longer one.

    Args:
        figures: one or more.
        path: of the first sheet; of the others it has their number added.

    Returns:
        The paths of the sheets.

    Raises:
        OSError: one cannot be written.
    """
    paths = [path, *(path.with_stem(f"{path.stem}-{number}") for number in range(2, len(figures) + 1))]
    for figure, target in zip(figures, paths, strict=True):
        save_figure(figure, target)
    stale = len(figures) + 1
    while (left := path.with_stem(f"{path.stem}-{stale}")).exists():
        left.unlink()
        stale += 1
    return paths
