# SPDX-License-Identifier: MIT
"""The scale on which a series is looked at for steps: one on which its noise is about as wide at every level."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.analysis.history.series import Point, Series
from stress.analysis.statistics.trials import SURE_LEVEL, TIMED_UNITS
from stress.model.units import MILLION

LOG_NOISE_FLOOR = 0.001  # of a logarithm: where runs agree to a thousandth, a thousandth is their noise all the same
COUNT_NOISE_FLOOR = 0.8  # mean distance of rare events from their level, after Anscombe's transform
WEIGHT_MAX = 4.0  # runs differ by more than their own trials say, so that no weight may be beyond this, or below 1 / it

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TransformedSeries:
    """A series on the scale of its steps.

    Attributes:
        values: shape (points,): logarithms of times and rates, Anscombe's transform of counts.
        weights: shape (points,): how much each counts, typically 1: the narrower its interval, the more.
        floor: the least mean distance from their level that the values are believed to have.
    """

    values: Floats
    weights: Floats
    floor: float


def transform_series(series: Series) -> TransformedSeries:
    """Return a series on the scale of its steps."""
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
    """Return values of a series' points, one of each, on the scale of its steps.

    Of times and rates that is the logarithm; what is zero is taken as the least that is not. A count's square root has
    the same noise whatever the count is, if the events are rare and independent (Anscombe 1948).
    """
    found = np.array(values, np.float64)
    if series.metric.unit in TIMED_UNITS:
        above = found[found > 0]
        return np.log(np.maximum(found, above.min() if above.size else 1.0))
    counts = np.maximum(found, 0.0) * np.array([events_per_unit(point, series) for point in series.points])
    return np.asarray(2 * np.sqrt(counts + 3 / 8))


def events_per_unit(point: Point, series: Series) -> float:
    """Return how many events one of the metric's unit is in a trial of a point."""
    return point.attempts / MILLION if series.metric.unit == "per million" else 1.0


def point_weights(widths: Floats, sure: npt.NDArray[np.bool_]) -> Floats:
    """Return the weight of each point by the width of its interval; points of few trials have none, and count as usual.

    Args:
        widths: of the intervals, shape (points,).
        sure: whether a point has trials enough for its interval to say something, shape (points,).
    """
    found = np.ones(len(widths))
    known = sure & (widths > 0)
    if known.any():
        typical = float(np.median(widths[known]))
        found[known] = np.clip(typical / widths[known], 1 / WEIGHT_MAX, WEIGHT_MAX)
    return found
