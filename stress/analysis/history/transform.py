# SPDX-License-Identifier: MIT
"""The variance-stabilising transform of a series, after which the noise is about as wide at every level."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.analysis.history.series import Point, Series
from stress.analysis.statistics.trials import SURE_LEVEL, TIMED_UNITS
from stress.model.units import MILLION

LOG_NOISE_FLOOR = 0.001  # of logarithms: runs that agree more closely are still taken to have this noise
COUNT_NOISE_FLOOR = 0.8  # mean distance of counts of rare events from their level, after Anscombe's transform
WEIGHT_MAX = 4.0  # runs vary more than their trials show, so no weight is above this or below 1 / it

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TransformedSeries:
    """A series on the scale on which steps are searched for.

    Attributes:
        values: shape (points,): logarithms of times and rates, Anscombe's transform of counts.
        weights: shape (points,): the weight of each point, typically 1, and more for a narrow interval.
        floor: the smallest mean distance from their level that the values are assumed to have.
    """

    values: Floats
    weights: Floats
    floor: float


def transform_series(series: Series) -> TransformedSeries:
    """Return a series on the scale on which steps are searched for."""
    medians, lows, highs = (
        transform_values(series, [getattr(point.estimate, field) for point in series.points])
        for field in ("median", "low", "high")
    )
    sure = np.array([point.estimate.level >= SURE_LEVEL for point in series.points])
    return TransformedSeries(
        medians,
        point_weights(highs - lows, sure),
        LOG_NOISE_FLOOR if series.metric.unit in TIMED_UNITS else COUNT_NOISE_FLOOR,
    )


def transform_values(series: Series, values: Sequence[float]) -> Floats:
    """Return transformed values, one for each point of a series.

    Times and rates become logarithms; zero is replaced by the smallest value above zero. The square root of a count has
    the same noise at every level, if the events are rare and independent (Anscombe 1948).
    """
    numbers = np.array(values, np.float64)
    if series.metric.unit in TIMED_UNITS:
        above = numbers[numbers > 0]
        return np.log(np.maximum(numbers, above.min() if above.size else 1.0))
    counts = np.maximum(numbers, 0.0) * np.array([events_per_unit(point, series) for point in series.points])
    return np.asarray(2 * np.sqrt(counts + 3 / 8))


def in_unit(series: Series, height: float, place: int) -> float:
    """Return a height on the scale on which steps are searched for in the metric's unit, at a point of a series."""
    if series.metric.unit in TIMED_UNITS:
        return float(np.exp(height))
    return max(0.0, (height / 2) ** 2 - 3 / 8) / events_per_unit(series.points[place], series)


def events_per_unit(point: Point, series: Series) -> float:
    """Return how many events of a trial one unit of the metric is."""
    return point.attempts / MILLION if series.metric.unit == "per million" else 1.0


def point_weights(widths: Floats, sure: npt.NDArray[np.bool_]) -> Floats:
    """Return the weight of each point by the width of its interval; points with too few trials have the weight 1.

    Args:
        widths: of the intervals, shape (points,).
        sure: whether a point has enough trials for an interval, shape (points,).
    """
    weights = np.ones(len(widths))
    known = sure & (widths > 0)
    if known.any():
        typical = float(np.median(widths[known]))
        weights[known] = np.clip(typical / widths[known], 1 / WEIGHT_MAX, WEIGHT_MAX)
    return weights
