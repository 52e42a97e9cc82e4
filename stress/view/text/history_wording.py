# SPDX-License-Identifier: MIT
"""Wording and order of the changes of a history, shared by its table and its figure."""

from collections.abc import Iterable, Sequence

from stress.analysis.history.change import ChangePoint, Kind, State, Track
from stress.analysis.history.change_point import SHOWING_POINTS_MIN, SIDE_POINTS_MIN
from stress.analysis.history.difference import differences_at
from stress.analysis.history.series import Point, Series
from stress.analysis.statistics.trials import TIMED_UNITS
from stress.model.commit import CHANGED
from stress.model.text import plural
from stress.view.text import metric_wording as words
from stress.view.text.history_names import shorten_names

DIFFERENCES_MAX = 6  # that are written next to a change


def importance(track: Track, change: ChangePoint) -> tuple[bool, int]:
    """Return the sort key of a change: open regressions first, then by state."""
    return change not in track.open_regressions, [State.CONFIRMED, State.SUSPECTED, State.ACCEPTED].index(change.state)


def change_text(series: Series, change: ChangePoint) -> str:
    """Return a change: ``'×1.53'`` of times and rates, ``'+17.7k'`` of counts."""
    if series.metric.unit in TIMED_UNITS and change.before > 0:
        return words.ratio_text(change.after / change.before)
    amount = change.after - change.before
    return f"{'+' if amount > 0 else words.MINUS}{words.count_text(abs(amount))}"


def state_words(change: ChangePoint) -> str:
    """Return the state of a change, and what else is known of it: ``'confirmed drift, undone since'``."""
    state = f"{change.state.value} {change.kind.value}" if change.kind is Kind.DRIFT else change.state.value
    more = "went away" if change.went_away else "undone since" if change.undone else ""
    return f"{state}, {more}" if more else state


def differences_text(series: Series, change: ChangePoint, most: int = DIFFERENCES_MAX) -> str:
    """Return what changed with a series: ``'kernel 6.12.1 → 6.18.44'``; ``""`` for nothing that is recorded."""
    differences = differences_at(series, change)
    texts = [
        f"{one.what} {one.before} → {one.after}"
        + (f" (run {series.points[one.place].runs[0].rpartition('-')[2]})" if one.place != change.place else "")
        for one in differences[:most]
    ]
    return ", ".join([*texts, *([f"{len(differences) - most:,} more"] if differences[most:] else [])])


def differ_commits(points: Iterable[Point]) -> bool:
    """Return whether the points were made by several commits of the program, as far as these are known."""
    return len({point.commit for point in points if point.commit}) > 1


def maker_names(points: Sequence[Point]) -> tuple[str, list[str]]:
    """Return which of both the first one is, ``'commit'`` or ``'version'``, and what made each point.

    That is its commit where these differ, else its version. A point whose commit is not known has its version.
    """
    versions = [point.program.removeprefix("connstorm ") for point in points]
    if not differ_commits(points):
        return "version", versions
    return "commit" if points[0].commit else "version", [
        point.commit or version for point, version in zip(points, versions, strict=True)
    ]


def program_text(point: Point, *, with_commit: bool) -> str:
    """Return the program that made a point: ``'connstorm 1.0'``, or ``'connstorm 1.0, 1a2b3c4d5'``."""
    return f"{point.program}, {point.commit}" if point.commit and with_commit else point.program


def changed_line(tracks: Sequence[Track]) -> str:
    """Return what a ``+`` after a commit means; ``""`` where no commit has one, or none is shown."""
    shown = (track.series.points for track in tracks if differ_commits(track.series.points))
    marked = any(CHANGED in point.commit for points in shown for point in points)
    return f"{CHANGED} after a commit: the program's files were not those of the commit." if marked else ""


def level_lines(tracks: Sequence[Track]) -> list[str]:
    """Return which series flip between two levels."""
    return [
        f"{words.name_text(track.series.metric)} of {track.series.cell} flips between two levels, "
        f"{words.value_text(track.series.metric, track.two_levels.low)} and "
        f"{words.value_text(track.series.metric, track.two_levels.high)} ({len(track.two_levels.flips)} times); "
        "no flip is a step."
        for track in tracks
        if track.two_levels is not None
    ]


def busy_line(tracks: Sequence[Track]) -> str:
    """Return how many points of times are not looked at because the machine was busy; ``""`` for none."""
    busy = {
        point.path
        for track in tracks
        if track.series.metric.unit in TIMED_UNITS
        for point in track.series.points
        if point.is_busy
    }
    return f"{plural(len(busy), 'point')} of times not looked at: the machine was busy." if busy else ""


def too_short_line(points: Sequence[int]) -> str:
    """Return that series are too short to show anything; ``""`` where none is."""
    short = [count for count in points if count < SHOWING_POINTS_MIN]
    if not short:
        return ""
    some = f"{len(short):,} of them have fewer than {SHOWING_POINTS_MIN} points, which"
    subject = plural(max(short), "point") if len(short) == len(points) else some
    return (
        f"{subject} can show nothing: a step is suspected from {SHOWING_POINTS_MIN} points on, and confirmed with "
        f"{SIDE_POINTS_MIN} or more on either side."
    )


def count_line(points: Sequence[int]) -> str:
    """Return how many series there are, and how many points they have."""
    if not points:
        return "no series: no run has a value of these metrics"
    span = f"{min(points):,}" if min(points) == max(points) else f"{min(points):,} to {max(points):,}"
    span += " point" if max(points) == 1 else " points"
    return f"{len(points):,} series of {span} each" if points[1:] else f"1 series of {span}"


def history_headline(tracks: Sequence[Track]) -> str:
    """Return whether anything changed, and what most, without a full stop."""
    tracks = shorten_names(tracks)
    changes = [
        (track, change) for track in tracks for change in track.all_changes if change.state is not State.ACCEPTED
    ]
    points = max((len(track.series.points) for track in tracks), default=0)
    if changes:
        track, change = min(changes, key=lambda pair: importance(*pair))
        series = track.series
        count = sum(any(one.state is not State.ACCEPTED for one in track.all_changes) for track in tracks)
        since = f"{series.points[change.place].time:%Y-%m-%d}"
        what = f"{words.name_text(series.metric)} of {series.cell} {change_text(series, change)}"
        state = state_words(change)
        return f"{count} of {len(tracks):,} series changed: {what} since {since}, {change.direction} ({state})"
    if points < 2 * SIDE_POINTS_MIN:
        return f"no change seen, but {points} points can confirm none: {2 * SIDE_POINTS_MIN} are needed"
    flipping = sum(track.two_levels is not None for track in tracks)
    flips = f", {flipping:,} of them at two levels" if flipping else ""
    return f"nothing changed: {len(tracks):,} of {len(tracks):,} series stayed at their level{flips}"
