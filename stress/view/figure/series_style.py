# SPDX-License-Identifier: MIT
"""How the series of a figure are drawn: the acts of a run, the arms of a comparison, the entries of a suite."""

from collections.abc import Sequence

from matplotlib.lines import Line2D

from stress.view.figure.curve import Dashes
from stress.view.figure.style import Look

# Of Okabe and Ito, without yellow; seven colours and eight shapes make 56 series, no two alike.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES: tuple[Dashes, ...] = ("-", (0, (6, 1.5)), (0, (3, 1.2)), (0, (1.2, 1.2)))
SHAPES = ("o", "s", "D", "^", "v", "<", ">", "p")  # all large enough inside to be recognised as hollow
MARK_PT = 4.8


def series_colour(number: int) -> str:
    """Return the colour of the series of that number."""
    return COLOURS[number % len(COLOURS)]


def series_dashes(number: int) -> Dashes:
    """Return the dashes of the line of the series of that number."""
    return DASHES[number % len(DASHES)]


def series_shape(number: int) -> str:
    """Return the shape of the marks of the series of that number, as matplotlib names markers."""
    return SHAPES[number % len(SHAPES)]


def series_looks(labels: Sequence[str]) -> dict[str, Look]:
    """Return the look of each series."""
    return {label: Look(series_colour(number), series_shape(number), label) for number, label in enumerate(labels)}


def series_marker(look: Look, *, filled: bool, size: float = MARK_PT) -> Line2D:
    """Return a mark of a series without data: filled if it changes, hollow if not; ``size`` is in points."""
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=look.marker,
        markersize=size,
        markerfacecolor=look.colour if filled else "white",
        markeredgecolor=look.colour,
        markeredgewidth=0.22 * size,
        label=look.label,
        zorder=4,
        clip_on=False,
    )
