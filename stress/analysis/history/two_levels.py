# SPDX-License-Identifier: MIT
"""Two levels: a series that flips between two levels and stays at each for some time, of which no flip is a step.

Such series are common: a machine that boots into one of two memory layouts, a job that lands on one of two kinds of
hosts. The best path through two levels competes with the best lines (``lines``) by the same criterion. A flip costs
less than a step there, because it has a place but no level of its own.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from stress.analysis.history.lines import POINTS_MIN, SHARES, STEP_COST
from stress.analysis.history.model_selection import Cuts, Floats

FLIP_COST = 2.0  # of a flip, in units of log n
FLIPS_MIN = 3  # fewer are a step, or a step and its return
LASTING_POINTS = 3  # points that a series stays at a level at least; fewer are strays, or noise with two modes
APART_MIN = 4.0  # distance of the levels in standard deviations of the noise about them


@dataclass(frozen=True)
class Flips:
    """The two levels of a series on the scale on which it is searched, and the first points after each flip."""

    low: float
    high: float
    cuts: Cuts


def find_flips(values: Floats, floor: float, criterion: float) -> Flips | None:
    """Return the two levels of a series; None if lines explain it as well.

    Args:
        values: without stray ones, shape (points,).
        floor: the smallest standard deviation that the noise is assumed to have.
        criterion: of the best lines.
    """
    points = len(values)
    if points < (FLIPS_MIN + 1) * LASTING_POINTS:
        return None
    low, high = two_means(values)
    logarithm = float(np.log(max(points, POINTS_MIN)))
    size = max(float(np.mean(np.minimum((values - low) ** 2, (values - high) ** 2))), floor**2)
    is_high = best_path(values, low, high, size * FLIP_COST * logarithm)
    cuts = tuple(int(cut) + 1 for cut in np.flatnonzero(np.diff(is_high)))
    if count_lasting_flips(is_high, cuts) < FLIPS_MIN:
        return None
    low, high = float(np.median(values[~is_high])), float(np.median(values[is_high]))
    left = values - np.where(is_high, high, low)
    if high - low < APART_MIN * max(float(left.std()), floor):
        return None
    own = noise_criterion(left, floor) + logarithm * (STEP_COST + FLIP_COST * (len(cuts) - 1))
    return Flips(low, high, cuts) if own < criterion else None


def count_lasting_flips(is_high: npt.NDArray[np.bool_], cuts: Cuts) -> int:
    """Return how often a series flips, apart from what it does for a few points only."""
    lasting = [
        bool(is_high[first]) for first, last in pairwise([0, *cuts, len(is_high)]) if last - first >= LASTING_POINTS
    ]
    return sum(before != after for before, after in pairwise(lasting))


def two_means(values: Floats) -> tuple[float, float]:
    """Return the two levels about which values are nearest in squares."""
    ordered = np.sort(values)
    points = len(ordered)
    counts = np.arange(1, points)
    sums = np.cumsum(ordered)
    between = sums[:-1] ** 2 / counts + (sums[-1] - sums[:-1]) ** 2 / (points - counts)
    cut = int(np.argmax(between)) + 1
    return float(ordered[:cut].mean()), float(ordered[cut:].mean())


def best_path(values: Floats, low: float, high: float, price: float) -> npt.NDArray[np.bool_]:
    """Return whether each point is at the higher level on the path of least squares with a price for each flip."""
    costs = np.stack([(values - low) ** 2, (values - high) ** 2])
    total, came = costs[:, 0], np.zeros((2, len(values)), np.bool_)
    for place in range(1, len(values)):
        flipped = total[::-1] + price
        came[:, place] = flipped < total
        total = np.minimum(total, flipped) + costs[:, place]
    level, path = int(total[1] < total[0]), np.zeros(len(values), np.bool_)
    for place in range(len(values) - 1, -1, -1):
        path[place] = bool(level)
        if came[level, place]:
            level = 1 - level
    return path


def noise_criterion(left: Floats, floor: float) -> float:
    """Return minus twice the logarithm of the likelihood of AR(1) noise, as that of lines, for the best share."""
    points = len(left)
    own = (left[1:, None] - SHARES * left[:-1, None]) ** 2
    remains = (own.sum(axis=0) + (1 - SHARES**2) * left[0] ** 2) / points
    sizes = np.maximum(remains, (floor * (1 - SHARES)) ** 2)
    return float((points * np.log(sizes) - np.log(1 - SHARES**2)).min())
