# SPDX-License-Identifier: MIT
"""Change points: where a series moved to another level, where it drifted, and how certain that is."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from stress.analysis.history.change import ChangePoint, Direction, Kind, Segment, State, Track, TwoLevels
from stress.analysis.history.detectors import Memo, Slope, compute_anew, detect_changes, is_near
from stress.analysis.history.levels import (
    TINY,
    Step,
    is_large,
    is_worse,
    prune_steps,
    segments_between,
    step_direction,
    steps_at,
)
from stress.analysis.history.series import Series
from stress.analysis.history.transform import in_unit, transform_series
from stress.analysis.statistics.trials import THRESHOLD, TIMED_UNITS

SIDE_POINTS_MIN = 3  # on either side of a step that is confirmed
SHOWING_POINTS_MIN = 4  # in shorter series no detector finds a step, however large
AWAY_POINTS = 10  # after so many points a level that has returned was more than an episode
AWAY_SHARE = 1 / 3  # of the step: the level to which a series has returned is at most so far from the one before


def find_change_points(
    series: Series, accepted: Mapping[int, str], threshold: float = THRESHOLD, memo: Memo = compute_anew
) -> Track:
    """Find the steps and drifts of a series.

    Points of times and rates that were measured while the machine was busy are not looked at.

    Args:
        series: the points.
        accepted: why a change was accepted, by the index of the first point after it. Both detectors start afresh
            there.
        threshold: changes smaller than this share of the level before are ignored, however certain; so are steps of
            counts that are smaller than one attempt.
        memo: where results are looked up by their contents, and stored.
    """
    quiet = [place for place, point in enumerate(series.points) if not is_left_out(series, place)]
    if len(quiet) == len(series.points) or not quiet:
        return track_of_all(series, accepted, threshold, memo)
    moved = {next((at for at, other in enumerate(quiet) if other >= place), 0): why for place, why in accepted.items()}
    own = replace(series, points=tuple(series.points[place] for place in quiet))
    return among_all(track_of_all(own, moved, threshold, memo), series, quiet)


def is_left_out(series: Series, place: int) -> bool:
    """Return whether a point is not looked at: a time or a rate that was measured while the machine was busy."""
    return series.metric.unit in TIMED_UNITS and series.points[place].is_busy


def among_all(track: Track, series: Series, places: Sequence[int]) -> Track:
    """Return what is known of some points of a series, by the indices of all points."""
    starts = [0, *places[1:], len(series.points)]  # of what belongs to each of the points, and the end
    changes, drifts = (
        tuple(
            replace(change, place=starts[change.place], last=places[change.last] if change.last >= 0 else -1)
            for change in some
        )
        for some in (track.changes, track.drifts)
    )
    segments = tuple(Segment(starts[part.first], starts[part.last], part.level) for part in track.segments)
    levels = track.two_levels
    if levels is not None:
        levels = replace(levels, flips=tuple(starts[flip] for flip in levels.flips))
    return Track(series, segments, changes, drifts, levels)


def track_of_all(series: Series, accepted: Mapping[int, str], threshold: float, memo: Memo) -> Track:
    """Find the steps and drifts of a series of which every point is looked at."""
    fixed = tuple(sorted(place for place in accepted if 0 < place < len(series.points)))
    detected = detect_changes(transform_series(series), fixed, memo)
    flips = detected.flips
    both = [cut for cut in detected.both if flips is None or not is_near(cut, flips.cuts)]
    one = detected.one if flips is None else ()
    solid = prune_steps(series, [*fixed, *both], fixed, threshold, SIDE_POINTS_MIN)
    doubtful = [cut for cut in (*both, *one) if not is_near(cut, solid)]
    every = prune_steps(series, [*solid, *doubtful], solid, threshold, 1)
    sure = steps_at(series, solid)
    away = went_away(series, sure, fixed, threshold)
    changes = []
    for step in sorted([*sure, *(step for step in steps_at(series, every) if step.place not in solid)]):
        state = State.SUSPECTED
        if step.place in solid:
            state = State.ACCEPTED if step.place in fixed else State.CONFIRMED
        way = step_direction(series, step.before, step.after)
        undone = way is Direction.REGRESSED and is_undone(series, step.place, step.before, sure, threshold)
        why = accepted.get(step.place, "")
        changes.append(ChangePoint(step.place, state, way, step.before, step.after, undone, why, step.place in away))
    drifts = tuple(drifts_of(series, detected.slopes, accepted, sure, threshold))
    levels = None
    if flips is not None:
        levels = TwoLevels(in_unit(series, flips.low, 0), in_unit(series, flips.high, 0), flips.cuts)
    return Track(series, segments_between(series, solid), tuple(changes), drifts, levels)


def is_undone(series: Series, place: int, before: float, sure: Iterable[Step], threshold: float) -> bool:
    """Return whether a step after a place led back to the level before a regression, or to a better one."""
    return any(not is_worse(series, before, step.after, threshold) for step in sure if step.place > place)


def went_away(series: Series, sure: Sequence[Step], fixed: Sequence[int], threshold: float) -> set[int]:
    """Return the places of steps that nobody accepted, and of their returns to the level before within a few points."""
    away: set[int] = set()
    for step, back in pairwise(sure):
        if back.place - step.place > AWAY_POINTS or {step.place, back.place} & {*fixed, *away}:
            continue
        if series.metric.unit in TIMED_UNITS:
            led, left = (abs(math.log(max(to, TINY) / max(step.before, TINY))) for to in (step.after, back.after))
        else:
            led, left = abs(step.after - step.before), abs(back.after - step.before)
        if left <= AWAY_SHARE * led or not is_large(series, step.before, back.after, threshold):
            away |= {step.place, back.place}
    return away


def drifts_of(
    series: Series, slopes: Iterable[Slope], accepted: Mapping[int, str], sure: Sequence[Step], threshold: float
) -> Iterable[ChangePoint]:
    """Yield the drifts that are large enough, each as long as the series drifts in one direction without a step."""
    for slope in join_slopes(slopes, [step.place for step in sure]):
        before, after = in_unit(series, slope.begin, slope.first), in_unit(series, slope.end, slope.last - 1)
        if not is_large(series, before, after, threshold):
            continue
        why = next((why for place, why in sorted(accepted.items()) if slope.first < place <= slope.last), None)
        state = State.CONFIRMED if slope.is_sure else State.SUSPECTED
        way = step_direction(series, before, after)
        undone = way is Direction.REGRESSED and is_undone(series, slope.last - 1, before, sure, threshold)
        yield ChangePoint(
            slope.first, state if why is None else State.ACCEPTED, way, before, after, undone, why or "",
            kind=Kind.DRIFT, last=slope.last - 1,
        )  # fmt: skip


def join_slopes(slopes: Iterable[Slope], steps: Sequence[int]) -> list[Slope]:
    """Return slopes in which those that follow each other in one direction, without a step between, are one."""
    joined: list[Slope] = []
    for slope in slopes:
        before = joined[-1] if joined else None
        if (
            before is not None
            and before.last == slope.first
            and (before.end > before.begin) == (slope.end > slope.begin)
            and before.is_sure == slope.is_sure
            and not is_near(slope.first, steps)
        ):
            joined[-1] = before._replace(last=slope.last, end=slope.end)
        else:
            joined.append(slope)
    return joined
