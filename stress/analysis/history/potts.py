# SPDX-License-Identifier: MIT
"""Steps of a series by the L1 Potts functional: the distances from piecewise constant levels, and a price a step.

The levels are medians, which stray runs do not move. A distance counts at most as much as a step costs, so that no
single point, however far off, is a level of its own: inside a series that takes three, at its end two. The price comes
from a criterion (see there); the fit is a dynamic programme over levels, in time proportional to points by levels.
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from stress.analysis.history.model_selection import Cuts, Floats, select_best
from stress.analysis.history.transform import COUNT_NOISE_FLOOR, TransformedSeries

STEP_COST = 2.5  # of a step, in units of log n; chosen by simulation, see tests/test_change_point.py
PRICES = np.geomspace(1, 64, 13)  # that are tried, in units of log n and the noise between neighbours
LEVELS_MAX = 400  # of more values than that, the outermost and an even choice of the others are levels
DEVIATION_OF_MAD = 1.4826  # standard deviation of a normal distribution by its median distance from the middle


def potts_steps(series: TransformedSeries, fixed: Cuts) -> Cuts:
    """Return the first points after the steps of a series.

    Args:
        series: on the scale of its steps.
        fixed: steps that are known; each stretch between them is fitted by itself, and all share one noise.
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
    levels, each = candidate_levels(values), np.arange(len(prices))
    dear = prices[:, None]
    stays = np.ones((len(values), len(prices), len(levels)), np.bool_)  # whether a level is kept from the point before
    origins = np.zeros((len(values), len(prices)), np.intp)  # the level that a step comes from
    total = np.minimum(weights[0] * np.abs(values[0] - levels), dear)
    for place in range(1, len(values)):
        origins[place] = total.argmin(axis=1)
        stepped = total[each, origins[place]][:, None] + dear
        np.less_equal(total, stepped, out=stays[place])
        np.minimum(total, stepped, out=total)
        total += np.minimum(weights[place] * np.abs(values[place] - levels), dear)
    return [trace_steps(stays[:, price], origins[:, price], int(total[price].argmin())) for price in each]


def trace_steps(stays: npt.NDArray[np.bool_], origins: npt.NDArray[np.intp], level: int) -> list[int]:
    """Return the steps on the way to a level at the last point."""
    cuts = []
    for place in range(len(stays) - 1, 0, -1):
        if not stays[place, level]:
            cuts.append(place)
            level = int(origins[place])
    return cuts[::-1]


def candidate_levels(values: Floats) -> Floats:
    """Return the levels that are tried: all values, or of many an even choice and the outermost ones."""
    known = np.unique(values)
    if len(known) <= LEVELS_MAX:
        return known
    outer = LEVELS_MAX // 4
    chosen = known[np.linspace(0, len(known) - 1, LEVELS_MAX - 2 * outer).round().astype(np.intp)]
    return np.unique(np.concatenate([known[:outer], known[-outer:], chosen]))


def weighted_median(values: Floats, weights: Floats) -> float:
    """Return the value below and above which lies half of the weight at most; of two, what is in their middle."""
    order = np.argsort(values, kind="stable")
    ordered, below = values[order], np.cumsum(weights[order])
    half = below[-1] / 2
    low, high = np.searchsorted(below, half * (1 - 1e-12)), np.searchsorted(below, half * (1 + 1e-12))
    return float((ordered[low] + ordered[min(high, len(ordered) - 1)]) / 2)
