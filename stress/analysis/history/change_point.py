# SPDX-License-Identifier: MIT
"""Change points: where a series moved to another level, and how certain that is."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median_low
from typing import NamedTuple

from stress.analysis.history.potts import potts_steps
from stress.analysis.history.rank_steps import rank_steps
from stress.analysis.history.series import Series
from stress.analysis.history.transform import events_per_unit, transform_series
from stress.analysis.statistics.trials import THRESHOLD, TIMED_UNITS

NEAR_POINTS = 2  # two detectors may be so many points apart and still mean the same step
TINY = 1e-300  # in place of 0, where a ratio is computed
SIDE_POINTS_MIN = 3  # on either side of a step that is confirmed
SHOWING_POINTS_MIN = 4  # in shorter series no detector finds a step, however large


class State(StrEnum):
    """How certain a change is."""

    CONFIRMED = "confirmed"  # both detectors find it, and it has enough points on either side
    SUSPECTED = "suspected"  # one of them finds it, or it is too recent
    ACCEPTED = "accepted"  # somebody has reviewed and accepted it


class Direction(StrEnum):
    """In which direction a metric changed."""

    REGRESSED = "regressed"
    IMPROVED = "improved"
    CHANGED = "changed"  # the metric has no direction that is better


class Step(NamedTuple):
    """A step with the medians of the points on either side, up to the next steps.

    ``place`` is the index of the first point after it.
    """

    place: int
    before: float
    after: float


@dataclass(frozen=True)
class ChangePoint:
    """A step of a series.

    Attributes:
        place: index of the first point after it.
        state: how certain it is.
        direction: in which direction the metric changed.
        before: median of the points since the previous step, in the metric's unit.
        after: median of the points up to the next step.
        undone: whether a later confirmed or accepted step led back to the level before, or to a better one.
        reason: why the change was accepted; "" if it was not.
    """

    place: int
    state: State
    direction: Direction
    before: float
    after: float
    undone: bool
    reason: str


@dataclass(frozen=True)
class Segment:
    """Part of a series between steps that are confirmed or accepted: points ``first`` up to before ``last``."""

    first: int
    last: int
    level: float  # median of its points, in the metric's unit


@dataclass(frozen=True)
class Track:
    """A series with its steps.

    Attributes:
        series: the points.
        segments: one or more, without gaps.
        changes: the steps, by index.
    """

    series: Series
    segments: tuple[Segment, ...]
    changes: tuple[ChangePoint, ...]

    @property
    def open_regressions(self) -> list[ChangePoint]:
        """The regressions that are confirmed, not accepted and not undone; none unless the plan is the current one."""
        return [change for change in self.changes if self.series.current and is_open_regression(change)]


def is_open_regression(change: ChangePoint) -> bool:
    """Return whether a change is a confirmed regression that is neither accepted nor undone."""
    return change.state is State.CONFIRMED and change.direction is Direction.REGRESSED and not change.undone


def find_change_points(series: Series, accepted: Mapping[int, str], threshold: float = THRESHOLD) -> Track:
    """Find the steps of a series.

    Args:
        series: the points.
        accepted: why a step was accepted, by the index of the first point after it. Both detectors start afresh there.
        threshold: steps smaller than this share of the level before are ignored, however certain; so are steps of
            counts that are smaller than one attempt.
    """
    fixed = tuple(sorted(place for place in accepted if 0 < place < len(series.points)))
    transformed = transform_series(series)
    by_distance, by_rank = potts_steps(transformed, fixed), rank_steps(transformed.values, fixed)
    both = [cut for cut in by_distance if is_near(cut, by_rank) and not is_near(cut, fixed)]
    solid = prune_steps(series, [*fixed, *both], fixed, threshold, SIDE_POINTS_MIN)
    ranked = [cut for cut in by_rank if not is_near(cut, by_distance)]
    doubtful = [cut for cut in (*by_distance, *ranked) if not is_near(cut, solid)]
    every = prune_steps(series, [*solid, *doubtful], solid, threshold, 1)
    sure = steps_at(series, solid)
    changes = []
    for step in sorted([*sure, *(step for step in steps_at(series, every) if step.place not in solid)]):
        state = State.SUSPECTED
        if step.place in solid:
            state = State.ACCEPTED if step.place in fixed else State.CONFIRMED
        way = step_direction(series, step.before, step.after)
        later = [other.after for other in sure if other.place > step.place]
        undone = way is Direction.REGRESSED and any(
            not is_worse(series, step.before, level, threshold) for level in later
        )
        changes.append(
            ChangePoint(step.place, state, way, step.before, step.after, undone, accepted.get(step.place, ""))
        )
    return Track(series, segments_between(series, solid), tuple(changes))


def is_near(cut: int, others: Iterable[int]) -> bool:
    """Return whether a step counts as the same as one of some others."""
    return any(abs(cut - other) <= NEAR_POINTS for other in others)


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
