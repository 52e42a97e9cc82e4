# SPDX-License-Identifier: MIT
"""Change points: where a series went to another level, and how sure that is."""

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

NEAR_POINTS = 2  # points between what two detectors take for the same step
TINY = 1e-300  # in place of nothing, where there is a ratio
SIDE_POINTS_MIN = 3  # points on either side of a step that is confirmed


class State(StrEnum):
    """How sure a change is."""

    CONFIRMED = "confirmed"  # both detectors find it, and it has points enough on either side
    SUSPECTED = "suspected"  # one of them finds it, or it is too new
    ACCEPTED = "accepted"  # somebody has looked at it and lets it stand


class Direction(StrEnum):
    """Which way a metric went."""

    REGRESSED = "regressed"
    IMPROVED = "improved"
    CHANGED = "changed"  # neither direction of this metric is good


class Step(NamedTuple):
    """A cut with the medians of the points on either side, up to the next cuts."""

    place: int
    before: float
    after: float


@dataclass(frozen=True)
class ChangePoint:
    """A step of a series.

    Attributes:
        place: index of the first point after it.
        state: how sure it is.
        direction: which way the metric went.
        before: median of the points since the step before, in the metric's unit.
        after: of those up to the next one.
        undone: whether a later confirmed or accepted step led back to the level before, or to a better one.
        reason: why it is let stand; "" unless it is accepted.
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
    """A stretch of a series between steps that are confirmed or accepted: points ``first`` up to before ``last``."""

    first: int
    last: int
    level: float  # median of its points, in the metric's unit


@dataclass(frozen=True)
class Track:
    """A series with its steps.

    Attributes:
        series: run after run.
        segments: one or more, without gaps.
        changes: by place.
    """

    series: Series
    segments: tuple[Segment, ...]
    changes: tuple[ChangePoint, ...]

    @property
    def standing(self) -> list[ChangePoint]:
        """The regressions that are confirmed, not accepted and not undone, if the series is that of today's plan."""
        return [each for each in self.changes if self.series.current and is_open_regression(each)]


def is_open_regression(change: ChangePoint) -> bool:
    """Return whether a change is a confirmed regression that nobody accepted and nothing has undone."""
    return change.state is State.CONFIRMED and change.direction is Direction.REGRESSED and not change.undone


def find_change_points(series: Series, accepted: Mapping[int, str], threshold: float = THRESHOLD) -> Track:
    """Find the steps of a series.

    Args:
        series: run after run.
        accepted: why a step is let stand, by the index of the first point after it. Both detectors begin anew there.
        threshold: steps smaller than that share of the level before are none, however sure; of counts, those of less
            than one attempt neither.
    """
    fixed = tuple(sorted(place for place in accepted if 0 < place < len(series.points)))
    scale = transform_series(series)
    by_distance, by_rank = potts_steps(scale, fixed), rank_steps(scale.values, fixed)
    both = [cut for cut in by_distance if is_near(cut, by_rank) and not is_near(cut, fixed)]
    solid = prune_steps(series, [*fixed, *both], fixed, threshold, SIDE_POINTS_MIN)
    ranked = [cut for cut in by_rank if not is_near(cut, by_distance)]
    doubtful = [cut for cut in (*by_distance, *ranked) if not is_near(cut, solid)]
    every = prune_steps(series, [*solid, *doubtful], solid, threshold, 1)
    sure = steps_at(series, solid)
    found = [*sure, *(each for each in steps_at(series, every) if each.place not in solid)]
    changes = []
    for step in sorted(found):
        state = State.SUSPECTED
        if step.place in solid:
            state = State.ACCEPTED if step.place in fixed else State.CONFIRMED
        way = step_direction(series, step.before, step.after)
        later = [each.after for each in sure if each.place > step.place]
        undone = way is Direction.REGRESSED and any(
            not is_worse(series, step.before, each, threshold) for each in later
        )
        changes.append(
            ChangePoint(step.place, state, way, step.before, step.after, undone, accepted.get(step.place, ""))
        )
    return Track(series, segments_between(series, solid), tuple(changes))


def is_near(cut: int, others: Iterable[int]) -> bool:
    """Return whether a step is as good as one of some others."""
    return any(abs(cut - other) <= NEAR_POINTS for other in others)


def prune_steps(
    series: Series, cuts: Iterable[int], fixed: Collection[int], threshold: float, fewest: int
) -> list[int]:
    """Return the steps that are left when those that are too small or too near to their neighbours are taken away.

    The smallest goes first, for the levels beside it then change.

    Args:
        series: run after run.
        cuts: the first points after its steps.
        fixed: those of them that stay, whatever they are.
        threshold: as of ``track``.
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
    """Return each step with the levels on either side."""
    levels = [segment.level for segment in segments_between(series, cuts)]
    return [Step(*each) for each in zip(cuts, levels, levels[1:], strict=False)]


def segments_between(series: Series, cuts: Sequence[int]) -> tuple[Segment, ...]:
    """Return the stretches between steps."""
    ends = [0, *cuts, len(series.points)]
    return tuple(Segment(first, last, median_low(series.medians[first:last])) for first, last in pairwise(ends))


def is_large(series: Series, before: float, after: float, threshold: float) -> bool:
    """Return whether from one level to the other is a step worth a mark."""
    if series.metric.unit in TIMED_UNITS:
        low, high = sorted((max(before, TINY), max(after, TINY)))
        return high / low >= 1 + threshold
    one = 1 / max(events_per_unit(point, series) for point in series.points)
    return abs(after - before) >= max(one, threshold * abs(before))


def step_direction(series: Series, before: float, after: float) -> Direction:
    """Return which way a metric went."""
    if series.metric.better is None:
        return Direction.CHANGED
    return Direction.IMPROVED if (after > before) == (series.metric.better == "higher") else Direction.REGRESSED


def is_worse(series: Series, before: float, after: float, threshold: float) -> bool:
    """Return whether a level is worse than another by more than the threshold."""
    return step_direction(series, before, after) is Direction.REGRESSED and is_large(series, before, after, threshold)
