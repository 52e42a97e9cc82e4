# SPDX-License-Identifier: MIT
"""Model selection: how many steps a series has, given that autocorrelated noise looks like steps as well.

The residuals from the levels are modelled as AR(1) noise: each residual is a share of the one before it, plus an
innovation. The criterion of a segmentation is the logarithm of the size of the innovations plus a multiple of log n for
each step, as in the Bayesian information criterion. A slow drift is then explained either by steps or by the share,
whichever costs less. The share is estimated together with the steps, because without them the steps would look like
autocorrelation.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Cuts = tuple[int, ...]  # the first points after the steps, ascending
Level = Callable[[int, int], float]  # returns the level of the points from the first index up to before the second

AR1_SHARES = np.arange(0.0, 0.96, 0.05)  # of a residual that may be explained by the one before it
POINTS_MIN = 20  # in a shorter series a step costs as much as in one of this length: the share cannot be estimated


def residuals(values: Floats, cuts: Iterable[int], level: Level) -> Floats:
    """Return the values minus the levels between the cuts, shape (points,)."""
    left = values.copy()
    ends = [0, *cuts, len(values)]
    for first, last in pairwise(ends):
        left[first:last] -= level(first, last)
    return left


def innovation_size(left: Floats, power: int, floor: float) -> float:
    """Return the size of the innovations of AR(1) noise, for the share that makes it smallest.

    Args:
        left: residuals, shape (points,).
        power: 1 for the mean distance from 0, 2 for the mean square.
        floor: the smallest distance that noise is assumed to have. Noise that small has no autocorrelation: else runs
            that are equal except for a step would be explained by autocorrelation alone.
    """
    early, late = left[:-1, None], left[1:, None]
    # AR(1) noise is reversible in time; both directions are used, so that a series and its reverse have the same steps.
    innovations = np.abs(late - AR1_SHARES * early) ** power + np.abs(early - AR1_SHARES * late) ** power
    return float(np.maximum(innovations.mean(axis=0) / 2, (floor * (1 + AR1_SHARES)) ** power).min())


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
    """Return the segmentation with the best criterion; the first one of equals.

    Args:
        values: of the series, shape (points,); two or more.
        candidates: segmentations, without the steps that are fixed.
        level: returns the level of a segment.
        fixed: steps that are known and cost nothing.
        power: 1 for mean distances, 2 for mean squares.
        cost: of a step, in units of log n.
        floor: the smallest distance that noise is assumed to have.
        weights: of the residuals, shape (points,).
    """
    points = len(values)
    best: tuple[float, Cuts] | None = None
    for cuts in dict.fromkeys(candidates):
        left = residuals(values, sorted({*fixed, *cuts}), level)
        size = innovation_size(left if weights is None else left * weights, power, floor)
        criterion = points * float(np.log(size)) / power + cost * len(cuts) * float(np.log(max(points, POINTS_MIN)))
        if best is None or criterion < best[0]:
            best = (criterion, cuts)
    return best[1] if best else ()
