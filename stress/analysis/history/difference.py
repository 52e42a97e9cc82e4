# SPDX-License-Identifier: MIT
"""What else changed where a series changed: the kernel, the program, the settings, the machine."""

from dataclasses import dataclass
from itertools import pairwise

from stress.analysis.history.change import ChangePoint, Kind
from stress.analysis.history.run_row import COMMIT
from stress.analysis.history.series import Series

NEAR_POINTS = 2  # a step is placed within so many points, as a rule


@dataclass(frozen=True)
class Difference:
    """Something recorded that changed.

    Attributes:
        what: ``kernel``, ``program``, the name of a setting, ...
        before: its value; "" where it was not recorded, so that it may be the same.
        after: its value from the point on.
        place: index of the first point with it.
    """

    what: str
    before: str
    after: str
    place: int


def differences_at(series: Series, change: ChangePoint) -> list[Difference]:
    """Return what changed between the points on either side of a step, or else near to it, or during a drift."""
    last = len(series.points) - 1
    if change.kind is Kind.DRIFT:
        return differences_between(series, change.place, change.last)
    exact = differences_between(series, change.place - 1, change.place)
    if any(one.what != COMMIT for one in exact):  # which may be another one at every point
        return exact
    near = differences_between(series, max(0, change.place - 1 - NEAR_POINTS), min(last, change.place + NEAR_POINTS))
    return [*exact, *(one for one in near if one.what != COMMIT)]


def differences_between(series: Series, first: int, last: int) -> list[Difference]:
    """Return what changed from one point to a later one, in the order of time."""
    differences = []
    for place in range(first + 1, last + 1):
        for early, late in pairwise(point.facts for point in series.points[place - 1 : place + 1]):
            differences += [
                Difference(what, early[what], value, place)
                for what, value in late.items()
                if what in early and early[what] != value
            ]
    return differences
