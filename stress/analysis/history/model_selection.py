# SPDX-License-Identifier: MIT
"""The criterion: how many steps a series has, when noise that remembers itself looks like steps too.

What the levels leave over is taken as AR(1) noise: each residual is a share of the one before it and something new. A
segmentation is worth the logarithm of how large that new part is, and each step costs a multiple of log n, as in the
Bayesian information criterion. A slow wander is then explained either by steps or by the share, whichever is cheaper;
the share is estimated with the steps, since without them they would be taken for memory.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Cuts = tuple[int, ...]  # the first points after the steps, ascending
Level = Callable[[int, int], float]  # of the points from one on, up to before another

AR1_SHARES = np.arange(0.0, 0.96, 0.05)  # of a residual that may come from the one before it
POINTS_MIN = 20  # a step costs as much as in a series so long, for of fewer points no share can be told


def residuals(values: Floats, cuts: Iterable[int], level: Level) -> Floats:
    """Return what the levels between cuts leave over of values."""
    found = values.copy()
    ends = [0, *cuts, len(values)]
    for first, last in pairwise(ends):
        found[first:last] -= level(first, last)
    return found


def innovation_size(left: Floats, power: int, floor: float) -> float:
    """Return how large the new part of AR(1) noise is, for the share that makes it smallest.

    Args:
        left: residuals, shape (points,).
        power: 1 for the mean distance from 0, 2 for the mean square.
        floor: the least distance that noise is believed to have. Noise that small has no memory: runs that are all
            alike but for a step would else be memory and nothing else.
    """
    early, late = left[:-1, None], left[1:, None]
    # Such noise is the same backwards; both ways are looked at, so that a series and its mirror have the same steps.
    new = np.abs(late - AR1_SHARES * early) ** power + np.abs(early - AR1_SHARES * late) ** power
    return float(np.maximum(new.mean(axis=0) / 2, (floor * (1 + AR1_SHARES)) ** power).min())


def select_best(
    values: Floats,
    candidates: Iterable[Cuts],
    level: Level,
    *,
    fixed: Cuts,
    power: int,
    cost: float,
    floor: float,
    weights: Floats | None = None,
) -> Cuts:
    """Return the one of some segmentations that explains a series best; of equals the first.

    Args:
        values: of the series, shape (points,); two or more.
        candidates: segmentations, without the steps that are fixed.
        level: of a stretch of the values.
        fixed: steps that are known and cost nothing.
        power: 1 for mean distances, 2 for mean squares.
        cost: of a step, in units of log n.
        floor: the least distance that noise is believed to have.
        weights: of the residuals, shape (points,).
    """
    points = len(values)
    found: tuple[float, Cuts] | None = None
    for cuts in dict.fromkeys(candidates):
        left = residuals(values, sorted({*fixed, *cuts}), level)
        size = innovation_size(left if weights is None else left * weights, power, floor)
        worth = points * float(np.log(size)) / power + cost * len(cuts) * float(np.log(max(points, POINTS_MIN)))
        if found is None or worth < found[0]:
            found = (worth, cuts)
    return found[1] if found else ()
