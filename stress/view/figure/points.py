# SPDX-License-Identifier: MIT
"""Attempts as points in axes: those that connected at once as a density, all others as marks of their cause."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm

from stress.analysis.attribution.cause import CAUSES
from stress.model.chunk import count_values
from stress.model.outcome import Cause
from stress.view.figure.cause_style import cause_marker
from stress.view.figure.density import Shares, assign_cells, count_cells

NONE = CAUSES.index(Cause.NONE)
CELL_PX = 4
MARKS_MAX = 20_000  # of one cause; of more, marks in the same pixel are drawn once
# The density must not outshine the marks, and a single attempt must be visible on white.
GROUND = LinearSegmentedColormap.from_list("ground", ["#c6d0dc", "#a4b0bf", "#738194"])


Part = slice | npt.NDArray[np.intp]


@dataclass(frozen=True)
class Points:
    """Attempts of one act, of which places are computed part by part.

    Attributes:
        causes: index into CAUSES, shape (attempts,).
        places: returns height, in the axes' units, and seconds since the act began, of some of the attempts.
        are_drawn: returns whether each of some of the attempts is one of the points.
    """

    causes: npt.NDArray[np.uint8]
    places: Callable[[Part], Shares]
    are_drawn: Callable[[Part], npt.NDArray[np.bool_]]


def causes_by_count(causes: npt.NDArray[np.uint8]) -> list[int]:
    """Return the indices of the causes that occur, without NONE, the most frequent first: rare ones lie on top."""
    counts = count_values(causes, len(CAUSES))
    return sorted(
        (code for code in range(len(CAUSES)) if code != NONE and counts[code]), key=lambda code: -counts[code]
    )


def draw_points(axes: Axes, points: Points, rows: int, top: float, norm: LogNorm) -> None:
    """Draw points into axes: those without a cause as a density, all others as marks.

    Args:
        axes: with limits and at their final place.
        points: what to draw.
        rows: of the density, from the foot of the axes to ``top``.
        top: height at which the rows end.
        norm: of the density, widened if necessary.
    """
    columns = max(1, round(axes.bbox.width / CELL_PX))
    foot, (left_s, right_s) = axes.get_ylim()[0], axes.get_xlim()

    def shares(part: Part) -> Shares:
        height, start_s = points.places(part)
        return (height - foot) / (top - foot), (start_s - left_s) / (right_s - left_s)

    def ground(part: slice) -> Shares:
        height, along = shares(part)
        connected = (points.causes[part] == NONE) & points.are_drawn(part)
        return height[connected], along[connected]

    counts = count_cells(points.causes.size, ground, rows, columns)
    norm.vmax = max(float(norm.vmax or 0), float(counts.max()))
    axes.pcolormesh(
        np.linspace(left_s, right_s, columns + 1),
        np.linspace(foot, top, rows + 1),
        np.ma.masked_equal(counts, 0),
        norm=norm,
        cmap=GROUND,
        rasterized=True,
    )
    for code in causes_by_count(points.causes):
        these = np.flatnonzero(points.causes == code)
        these = these[points.are_drawn(these)]
        if not these.size:
            continue
        magnitude = math.log10(these.size)
        if these.size > MARKS_MAX:
            pixels = round(axes.bbox.height), round(axes.bbox.width)
            these = these[assign_cells(*shares(these), *pixels).topmost()]
        size, alpha = min(max(9 - 1.8 * magnitude, 1.6), 7), min(max(1.25 - 0.12 * magnitude, 0.35), 0.95)
        mark = cause_marker(CAUSES[code], size=size, alpha=alpha)
        height, start_s = points.places(these)
        mark.set_data(start_s, height)
        mark.set_clip_on(False)  # an attempt at the edge is shown whole
        axes.add_line(mark)
