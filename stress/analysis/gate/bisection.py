# SPDX-License-Identifier: MIT
"""Bisection: the first bad item of an ordered list, when some items cannot be tested."""

from dataclasses import dataclass, field
from enum import StrEnum


class Mark(StrEnum):
    """What is known of an item."""

    GOOD = "good"
    BAD = "bad"
    SKIPPED = "skipped"  # it cannot be tested


@dataclass
class Bisection:
    """A search for the first bad item, which assumes that all items after a bad one are bad.

    Attributes:
        length: number of items; the first is good and the last is bad.
        marks: what is known, by index.
    """

    length: int
    marks: dict[int, Mark] = field(default_factory=dict)

    @property
    def last_good(self) -> int:
        """The index of the last item that is known to be good."""
        return max((index for index, mark in self.marks.items() if mark is Mark.GOOD), default=0)

    @property
    def first_bad(self) -> int:
        """The index of the first item that is known to be bad."""
        return min((index for index, mark in self.marks.items() if mark is Mark.BAD), default=self.length - 1)

    def next(self) -> int | None:
        """Return the index of the item to test next, the one nearest to the middle; None when none is left."""
        low, high = self.last_good, self.first_bad
        left = [index for index in range(low + 1, high) if index not in self.marks]
        return min(left, key=lambda index: abs(2 * index - low - high), default=None)

    @property
    def suspects(self) -> range:
        """The indices of the items that may be the first bad one: a single one, unless some were skipped before it."""
        return range(self.last_good + 1, self.first_bad + 1)
