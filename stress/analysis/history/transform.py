# SPDX-License-Identifier: MIT
"""The scale on which a series is looked at for steps: one on which its noise is about as wide at every level."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.analysis.history.series import Point, Series
from stress.analysis.metric import MILLION
from stress.analysis.statistics.trials import SURE, TIMED

FINEST = 0.001  # of a logarithm: where runs agree to a thousandth, a thousandth is their noise all the same
POISSON = 0.8  # mean distance of rare events from their level, after Anscombe's transform
WEIGHT_MOST = (
    4.0  # runs differ by more than their own trials say, so that no weight may be beyond this, or below 1 / it
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scaled:
    """A series on the scale of its steps.

    Attributes:
        values: shape (points,): logarithms of times and rates, Anscombe's transform of counts.
        weights: shape (points,): how much each counts, typically 1: the narrower its interval, the more.
        floor: the least mean distance from their level that the values are believed to have.
    """

    values: Floats
    weights: Floats
    floor: float


def scaled(series: Series) -> Scaled:
    """Return a series on the scale of its steps."""
    medians, lows, highs = (
        on_scale(series, [getattr(point.estimate, field) for point in series.points])
        for field in ("median", "low", "high")
    )
    sure = np.array([point.estimate.level >= SURE for point in series.points])
    return Scaled(medians, weights(highs - lows, sure), FINEST if series.metric.unit in TIMED else POISSON)


def on_scale(series: Series, values: Sequence[float]) -> Floats:
    """Return values of a series' points, one of each, on the scale of its steps.

    Of times and rates that is the logarithm; what is zero is taken as the least that is not. A count's square root has
    the same noise whatever the count is, if the events are rare and independent (Anscombe 1948).
    """
    found = np.array(values, np.float64)
    if series.metric.unit in TIMED:
        above = found[found > 0]
        return np.log(np.maximum(found, above.min() if above.size else 1.0))
    counts = np.maximum(found, 0.0) * np.array([per_unit(point, series) for point in series.points])
    return np.asarray(2 * np.sqrt(counts + 3 / 8))


def per_unit(point: Point, series: Series) -> float:
    """Return how many events one of the metric's unit is in a trial of a point."""
    return point.attempts / MILLION if series.metric.unit == "per million" else 1.0


def weights(widths: Floats, sure: npt.NDArray[np.bool_]) -> Floats:
    """Return the weight of each point by the width of its interval; points of few trials have none, and count as usual.

    Args:
        widths: of the intervals, shape (points,).
        sure: whether a point has trials enough for its interval to say something, shape (points,).
    """
    found = np.ones(len(widths))
    known = sure & (widths > 0)
    if known.any():
        typical = float(np.median(widths[known]))
        found[known] = np.clip(typical / widths[known], 1 / WEIGHT_MOST, WEIGHT_MOST)
    return found
