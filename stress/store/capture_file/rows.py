# SPDX-License-Identifier: MIT
"""An array of segments that grows while files are read."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stress.model.segment import SEGMENT

STEP = 1 << 14  # segments: 1.4 MB


class Rows:
    """Segments in one piece of memory, which is made longer in place.

    Many arrays that are joined at the end take twice the memory meanwhile: 240 MB instead of 180 for reading a million.
    """

    def __init__(self) -> None:
        self.array = np.zeros(0, SEGMENT)
        self.used = 0

    def add(self, rows: npt.NDArray[Any]) -> None:
        """Add segments, dtype SEGMENT."""
        following = self.used + len(rows)
        if following > len(self.array):
            self.resize(following + STEP)
        self.array[self.used : following] = rows
        self.used = following

    def finish(self) -> npt.NDArray[Any]:
        """Return all that was added, shape (segments,); nothing can be added afterwards."""
        self.resize(self.used)
        return self.array

    def resize(self, length: int) -> None:
        """Make room for so many segments. Nobody else has a view of the array, which may move."""
        self.array.resize(length, refcheck=False)
