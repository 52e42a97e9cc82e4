# SPDX-License-Identifier: MIT
"""Levels between steps in the metric's unit, and whether the step from one to another is large, or for the worse."""

import math
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from statistics import median_low
from typing import NamedTuple

from stress.analysis.history.change import Direction, Segment
from stress.analysis.history.series import Series
from stress.analysis.history.transform import events_per_unit
from stress.analysis.statistics.trials import TIMED_UNITS

TINY = 1e-300  # in place of 0, where a ratio is computed


class Step(NamedTuple):
    """A step with the medians of the points on either side, up to the next steps.

    ``place`` is the index of the first point after it.
    """

    place: int
    before: float
    after: float


def prune_steps(
    series: Series, cuts: Iterable[int], fixed: Collection[int], threshold: float, fewest: int
) -> list[int]:
    """Return the steps that remain when those that are too small or too close to their neighbours are removed.

    The smallest is removed first, because that changes the levels next to it.

    Args:
        series: the points.
        cuts: the first points after the steps.
        fixed: those of them that are never removed.
        threshold: as of ``find_change_points``.
        fewest: points that a step must have on either side.
    """
    left = sorted(set(cuts))
    while True:
        ends = [0, *left, len(series.points)]
        bad = [
            (abs(math.log(max(after, TINY) / max(before, TINY))), cut)
            for place, (cut, before, after) in enumerate(steps_at(series, left))
            if cut not in fixed
            and (
                not is_large(series, before, after, threshold) or min(cut - ends[place], ends[place + 2] - cut) < fewest
            )
        ]
        if not bad:
            return left
        left.remove(min(bad)[1])


def steps_at(series: Series, cuts: Sequence[int]) -> list[Step]:
    """Return the steps at some cuts, each with the levels on either side."""
    levels = [segment.level for segment in segments_between(series, cuts)]
    return [Step(*step) for step in zip(cuts, levels, levels[1:], strict=False)]


def segments_between(series: Series, cuts: Sequence[int]) -> tuple[Segment, ...]:
    """Return the segments between steps."""
    ends = [0, *cuts, len(series.points)]
    return tuple(Segment(first, last, median_low(series.medians[first:last])) for first, last in pairwise(ends))


def is_large(series: Series, before: float, after: float, threshold: float) -> bool:
    """Return whether the step from one level to another is large enough to be reported."""
    if series.metric.unit in TIMED_UNITS:
        low, high = sorted((max(before, TINY), max(after, TINY)))
        return high / low >= 1 + threshold
    one_event = 1 / max(events_per_unit(point, series) for point in series.points)
    return abs(after - before) >= max(one_event, threshold * abs(before))


def step_direction(series: Series, before: float, after: float) -> Direction:
    """Return in which direction a metric changed."""
    if series.metric.better is None:
        return Direction.CHANGED
    return Direction.IMPROVED if (after > before) == (series.metric.better == "higher") else Direction.REGRESSED


def is_worse(series: Series, before: float, after: float, threshold: float) -> bool:
    """Return whether a level is worse than another by more than the threshold."""
    return step_direction(series, before, after) is Direction.REGRESSED and is_large(series, before, after, threshold)
