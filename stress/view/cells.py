# SPDX-License-Identifier: MIT
"""Cells: a grid over axes, so that a million attempts make a picture of some thousand pieces."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Cells:
    """The cell that each of some points lies in.

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
        """Return the last point of each cell that has any: the one that would cover the others."""
        last = np.full(self.rows * self.columns, -1)
        last[self.index] = np.arange(self.index.size)
        return last[last >= 0]


def cells(height: npt.NDArray[np.float64], width: npt.NDArray[np.float64], rows: int, columns: int) -> Cells:
    """Return the cells of points, given their height and width as shares of the grid; those outside go to its edge."""
    row = (height * rows).astype(np.intp).clip(0, rows - 1)
    column = (width * columns).astype(np.intp).clip(0, columns - 1)
    return Cells(rows, columns, row * columns + column)
