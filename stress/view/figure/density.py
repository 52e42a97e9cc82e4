# SPDX-License-Identifier: MIT
"""A grid of cells over axes, so that a million attempts become a picture of some thousand cells."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Shares = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]  # height and width of points in the axes, 0 to 1
CHUNK = 1 << 20  # points counted at once; all at once would take more memory than the points themselves


@dataclass(frozen=True)
class GridCells:
    """The grid cell of each point.

    Attributes:
        rows: of the grid.
        columns: of the grid.
        index: shape (points,), row * columns + column.
    """

    rows: int
    columns: int
    index: npt.NDArray[np.intp]

    def counts(self) -> npt.NDArray[np.intp]:
        """Return how many points lie in each cell, shape (rows, columns)."""
        return np.bincount(self.index, minlength=self.rows * self.columns).reshape(self.rows, self.columns)

    def topmost(self) -> npt.NDArray[np.intp]:
        """Return the index of the last point of each cell that has any: the one that would cover the others."""
        last = np.full(self.rows * self.columns, -1)
        last[self.index] = np.arange(self.index.size)
        return last[last >= 0]


def assign_cells(height: npt.NDArray[np.float64], width: npt.NDArray[np.float64], rows: int, columns: int) -> GridCells:
    """Return the cells of points from their height and width as shares of the grid; points outside go to its edge."""
    row = (height * rows).astype(np.intp).clip(0, rows - 1)
    column = (width * columns).astype(np.intp).clip(0, columns - 1)
    return GridCells(rows, columns, row * columns + column)


def count_cells(points: int, shares: Callable[[slice], Shares], rows: int, columns: int) -> npt.NDArray[np.intp]:
    """Return how many points lie in each cell, shape (rows, columns).

    Args:
        points: their number.
        shares: returns height and width of a slice of the points, as ``assign_cells`` takes them.
        rows: of the grid.
        columns: of the grid.
    """
    total = np.zeros((rows, columns), np.intp)
    for first in range(0, points, CHUNK):
        total += assign_cells(*shares(slice(first, first + CHUNK)), rows, columns).counts()
    return total
