# SPDX-License-Identifier: MIT
"""Bisection: which of many in a row is the first bad one, when some may not be told."""

from dataclasses import dataclass, field
from enum import StrEnum


class Mark(StrEnum):
    """What is known of one of them."""

    GOOD = "good"
    BAD = "bad"
    SKIPPED = "skipped"  # it cannot be told


@dataclass
class Bisection:
    """A search for the first bad one, which assumes that all after a bad one are bad.

    Attributes:
        length: how many there are; the first is good and the last is bad.
        marks: what is known, by place.
    """

    length: int
    marks: dict[int, Mark] = field(default_factory=dict)

    @property
    def last_good(self) -> int:
        """The last place that is known to be good."""
        return max((place for place, mark in self.marks.items() if mark is Mark.GOOD), default=0)

    @property
    def first_bad(self) -> int:
        """The first place that is known to be bad."""
        return min((place for place, mark in self.marks.items() if mark is Mark.BAD), default=self.length - 1)

    def next(self) -> int | None:
        """Return the place to look at next: the one that is nearest to the middle; None when there is none left."""
        low, high = self.last_good, self.first_bad
        left = [place for place in range(low + 1, high) if place not in self.marks]
        return min(left, key=lambda place: abs(2 * place - low - high), default=None)

    @property
    def suspects(self) -> range:
        """The places of which one is the first bad: a single one, unless some were skipped before it."""
        return range(self.last_good + 1, self.first_bad + 1)
