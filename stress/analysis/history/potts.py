# SPDX-License-Identifier: MIT
"""Steps of a series by the L1 Potts functional: the distances from piecewise constant levels, and a price per step.

The levels are medians, which outliers do not move. A distance counts at most as much as a step costs, so that a single
point, however far off, never has a level of its own: that takes three points inside a series, and two at its end. The
price is selected by a criterion (``model_selection``). The fit is a dynamic programme over levels, in time proportional
to the number of points times that of levels.
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from stress.analysis.history.model_selection import Cuts, Floats, select_best
from stress.analysis.history.transform import COUNT_NOISE_FLOOR, TransformedSeries

STEP_COST = 2.5  # of a step, in units of log n; chosen by simulation, see tests/test_change_point.py
PRICES = np.geomspace(1, 64, 13)  # candidates, in units of log n times the noise between neighbours
LEVELS_MAX = 400  # where there are more values, the outermost ones and an even selection of the others are levels
DEVIATION_OF_MAD = 1.4826  # standard deviation of a normal distribution over its median absolute deviation


def potts_steps(series: TransformedSeries, fixed: Cuts) -> Cuts:
    """Return the first points after the steps of a series.

    Args:
        series: the transformed series.
        fixed: steps that are known; each segment between them is fitted separately, with one estimate of the noise.
    """
    points = len(series.values)
    if points < 4 or series.values.min() == series.values.max():
        return ()
    apart = np.median(np.abs(np.diff(series.values))) * DEVIATION_OF_MAD / np.sqrt(2) * COUNT_NOISE_FLOOR
    prices = max(float(apart), series.floor) * np.log(points) * PRICES
    ends = [0, *fixed, points]
    paths: list[list[int]] = [[] for _ in prices]
    for first, last in pairwise(ends):
        for path, cuts in zip(
            paths, fit_steps(series.values[first:last], series.weights[first:last], prices), strict=True
        ):
            path.extend(first + cut for cut in cuts)

    def level(first: int, last: int) -> float:
        return weighted_median(series.values[first:last], series.weights[first:last])

    return select_best(
        series.values,
        [(), *(tuple(path) for path in reversed(paths))],
        level,
        fixed=fixed,
        power=1,
        cost=STEP_COST,
        floor=series.floor,
        weights=series.weights,
    )


def fit_steps(values: Floats, weights: Floats, prices: Floats) -> list[list[int]]:
    """Return the steps of the best fit for each price of a step.

    Args:
        values: shape (points,); one or more.
        weights: of the distances, shape (points,).
        prices: shape (prices,).
    """
    levels, rows = candidate_levels(values), np.arange(len(prices))
    price = prices[:, None]
    stays = np.ones(
        (len(values), len(prices), len(levels)), np.bool_
    )  # whether a level continues from the point before
    origins = np.zeros((len(values), len(prices)), np.intp)  # the index of the level before a step
    total = np.minimum(weights[0] * np.abs(values[0] - levels), price)
    for place in range(1, len(values)):
        origins[place] = total.argmin(axis=1)
        stepped = total[rows, origins[place]][:, None] + price
        np.less_equal(total, stepped, out=stays[place])
        np.minimum(total, stepped, out=total)
        total += np.minimum(weights[place] * np.abs(values[place] - levels), price)
    return [trace_steps(stays[:, row], origins[:, row], int(total[row].argmin())) for row in rows]


def trace_steps(stays: npt.NDArray[np.bool_], origins: npt.NDArray[np.intp], level: int) -> list[int]:
    """Return the steps on the path that ends at a level at the last point.

    Args:
        stays: whether a level continues from the point before, shape (points, levels).
        origins: index of the level before a step, shape (points,).
        level: index of the last level.
    """
    cuts = []
    for place in range(len(stays) - 1, 0, -1):
        if not stays[place, level]:
            cuts.append(place)
            level = int(origins[place])
    return cuts[::-1]


def candidate_levels(values: Floats) -> Floats:
    """Return the candidate levels: all values, or of many the outermost ones and an even selection of the others."""
    distinct = np.unique(values)
    if len(distinct) <= LEVELS_MAX:
        return distinct
    outer = LEVELS_MAX // 4
    even = distinct[np.linspace(0, len(distinct) - 1, LEVELS_MAX - 2 * outer).round().astype(np.intp)]
    return np.unique(np.concatenate([distinct[:outer], distinct[-outer:], even]))


def weighted_median(values: Floats, weights: Floats) -> float:
    """Return the value with at most half of the weight below and above it; the mean of the two if two such exist."""
    order = np.argsort(values, kind="stable")
    ordered, below = values[order], np.cumsum(weights[order])
    half = below[-1] / 2
    low, high = np.searchsorted(below, half * (1 - 1e-12)), np.searchsorted(below, half * (1 + 1e-12))
    return float((ordered[low] + ordered[min(high, len(ordered) - 1)]) / 2)
