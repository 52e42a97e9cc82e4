# SPDX-License-Identifier: MIT
"""The document of a history: each series with its change points."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from stress.analysis.history.change import ChangePoint, Direction, State, Track
from stress.analysis.history.history import History
from stress.analysis.history.series import Point
from stress.model.text import join_words, plural
from stress.profile.step_profile import StepProfile
from stress.view.page.document import Command, Document, Fact, Graphic, Notice, PageCell, PageColumn, PageTable
from stress.view.page.history_drawing import HEIGHT, TONES, WIDTH, draw_series
from stress.view.page.notice_parts import BUSY, WARNING
from stress.view.page.step_part import steps_tables
from stress.view.text import metric_wording as words
from stress.view.text.history_names import LABEL, shared_text, shorten_names
from stress.view.text.history_wording import (
    busy_line,
    change_text,
    changed_line,
    count_line,
    differ_commits,
    differences_text,
    importance,
    level_lines,
    program_text,
    state_words,
    too_short_line,
)
from stress.view.text.table import Tone

TEMPLATE = "history.html"
MARKS = {Direction.REGRESSED: "✕", Direction.IMPROVED: "◆", Direction.CHANGED: "▲"}
DRAWN_MAX = 24


def history_document(history: History, folder: str, command: str, steps: Sequence[StepProfile] = ()) -> Document:
    """Return the document of a history, with the profiles of its steps."""
    functions = tuple(steps_tables(steps, history.tracks))
    shared, history = shared_text(history.tracks), replace(history, tracks=shorten_names(history.tracks))
    changes = [(track, change) for track in history.tracks for change in track.all_changes]
    changes.sort(key=lambda pair: importance(*pair))
    points = [len(track.series.points) for track in history.tracks]
    busy = busy_line(history.tracks)
    changed = list({id(track): track for track, _ in changes}.values())
    flat = [track for track in history.tracks if not track.all_changes and len(set(track.series.medians)) == 1]
    rest = [track for track in history.tracks if not track.all_changes and track not in flat]
    drawn = [*changed, *rest][:DRAWN_MAX]
    sentences = [change_sentence(track, change) for track, change in changes]
    text = f"{plural(len(drawn), 'series')} over time"
    context = {
        "series": [draw_series(track) for track in drawn],
        "size": (WIDTH, HEIGHT),
        "note": flat_text(flat),
    }
    graphic = Graphic("Series", TEMPLATE, context, text)
    return Document(
        title=f"history of {folder}",
        verdict=history_verdict(history),
        details=(
            *sentences[:5],
            f"{count_line(points)}.",
            *filter(None, [too_short_line(points)]),
            *level_lines(history.tracks),
            *filter(None, [changed_line(history.tracks)]),
        ),
        tone=Tone.WORSE if history.open_regressions else Tone.PLAIN if changes else Tone.HOLDS,
        facts=(*([Fact(LABEL, shared)] if shared else []), *history_facts(history)),
        notices=(
            *([Notice(BUSY, busy, grave=True)] if busy else []),
            *(Notice(WARNING, warning) for warning in history.warnings),
        ),
        graphics=(graphic,) if history.tracks else (),
        tables=(*([changes_table(changes)] if changes else []), *functions, points_table(history.tracks)),
        commands=(Command("this history", (command,)),),
    )


def flat_text(tracks: Sequence[Track]) -> str:
    """Return which series have the same value at every point; they are not drawn."""
    values = (words.value_text(track.series.metric, track.series.medians[0]) for track in tracks)
    names = [f"{series_name(track)} ({value})" for track, value in zip(tracks, values, strict=True)]
    return f"Always the same, and not drawn: {join_words(names)}." if names else ""


def history_verdict(history: History) -> str:
    """Return whether anything is worse than before, and what."""
    opened = history.open_regressions
    points = [len(track.series.points) for track in history.tracks]
    if opened:
        track, change = min(opened, key=lambda pair: importance(*pair))
        more = f", and {plural(len(opened) - 1, 'other regression')}" if opened[1:] else ""
        what = f"{series_name(track)} {change_text(track.series, change)}{more}"
        return f"Worse since {first_day(track, change)}: {what}."
    suspected = sum(change.state is State.SUSPECTED for track in history.tracks for change in track.all_changes)
    if suspected:
        return (
            f"No regression is confirmed; {plural(suspected, 'change')} are suspected."
            if suspected > 1
            else ("No regression is confirmed; 1 change is suspected.")
        )
    if any(track.all_changes for track in history.tracks):
        return "Nothing is worse that was not accepted, or undone since."
    if max(points, default=0) < 3:
        return "Too few points to show anything: a change takes three on either side."
    return f"No change in {plural(len(points), 'series', 'series')}."


def series_name(track: Track) -> str:
    """Return a series in words."""
    return f"{words.name_text(track.series.metric)} of {track.series.cell}"


def first_day(track: Track, change: ChangePoint) -> str:
    """Return the day of the first point after a change."""
    return f"{track.series.points[change.place].time:%Y-%m-%d}"


def change_sentence(track: Track, change: ChangePoint) -> str:
    """Return a change in a sentence."""
    before, after = (words.value_text(track.series.metric, level) for level in (change.before, change.after))
    since = f"since {first_day(track, change)} ({before} to {after})"
    text = f"{series_name(track)}: {change_text(track.series, change)} {since}"
    text = f"{text}, {change.direction.value}, {state_words(change)}"
    differences = differences_text(track.series, change)
    return f"{text}; changed: {differences}." if differences else f"{text}."


def history_facts(history: History) -> Iterator[Fact]:
    """Yield programs, kernels and dates of all points."""
    points = [point for track in history.tracks for point in track.series.points]
    yield Fact("program", ", ".join(dict.fromkeys(point.program for point in points)))
    commits = dict.fromkeys(point.commit for point in sorted(points, key=lambda point: point.time) if point.commit)
    if commits:
        yield Fact("commits", span_text(list(commits)))
    yield Fact("kernel", ", ".join(dict.fromkeys(f"Linux {point.kernel}" for point in points)))
    yield Fact("testbed", ", ".join(dict.fromkeys(track.series.testbed for track in history.tracks)))
    if points:
        first, last = min(point.time for point in points), max(point.time for point in points)
        yield Fact("dates", f"{first:%Y-%m-%d} to {last:%Y-%m-%d}")


def span_text(commits: Sequence[str]) -> str:
    """Return one commit, or the first and the last of several with their number."""
    return f"{commits[0]} to {commits[-1]}, {len(commits):,} in all" if commits[1:] else commits[0]


def changes_table(changes: Sequence[tuple[Track, ChangePoint]]) -> PageTable:
    """Return one row per change."""
    heads: tuple[tuple[Any, ...], ...] = (
        ("cell",), ("metric",), ("from", True), ("to", True), ("change", True), ("since",), ("first run",), ("kernel",),
        ("state",),
    )  # fmt: skip
    rows = tuple(change_cells(track, change) for track, change in changes)
    note = "Confirmed: both detectors find it, with three points or more on either side; suspected: one of them."
    return PageTable(
        "history-changes", "Changes, open regressions first", tuple(PageColumn(*head) for head in heads), rows, (note,),
        is_sortable=True,
    )  # fmt: skip


def change_cells(track: Track, change: ChangePoint) -> tuple[PageCell, ...]:
    """Return the row of a change."""
    series, after = track.series, track.series.points[change.place]
    state = f"{change.direction.value}, {state_words(change)}"
    return (
        PageCell(series.cell, order=series.cell),
        PageCell(words.name_text(series.metric), order=series.metric.name),
        PageCell(words.value_text(series.metric, change.before), order=change.before),
        PageCell(words.value_text(series.metric, change.after), order=change.after),
        PageCell(change_text(series, change), tone=TONES[change.direction]),
        PageCell(f"{after.time:%Y-%m-%d %H:%M}", order=after.time.timestamp()),
        PageCell(after.runs[0], order=after.runs[0]),
        PageCell(f"Linux {after.kernel}", order=after.kernel),
        PageCell(state, change.reason or "", order=state, tone=TONES[change.direction], mark=MARKS[change.direction]),
    )


def points_table(tracks: Sequence[Track]) -> PageTable:
    """Return every point of every series."""
    heads: tuple[tuple[Any, ...], ...] = (
        ("cell",), ("metric",), ("time",), ("median", True), ("trials", True), ("program",), ("kernel",),
    )  # fmt: skip
    rows = tuple(
        point_cells(track, point, with_commit=with_commit)
        for track in tracks
        for with_commit in (differ_commits(track.series.points),)
        for point in track.series.points
    )
    columns = tuple(PageColumn(*head) for head in heads)
    return PageTable("history-points", "Every point", columns, rows, is_sortable=True)


def point_cells(track: Track, point: Point, *, with_commit: bool) -> tuple[PageCell, ...]:
    """Return the row of a point."""
    metric, estimate = track.series.metric, point.estimate
    return (
        PageCell(track.series.cell, order=track.series.cell),
        PageCell(words.name_text(metric), order=metric.name),
        PageCell(f"{point.time:%Y-%m-%d %H:%M}", order=point.time.timestamp()),
        PageCell(
            words.value_text(metric, estimate.median), words.interval_text(metric, estimate), order=estimate.median
        ),
        PageCell(f"{estimate.trials:,}", order=estimate.trials),
        PageCell(program_text(point, with_commit=with_commit), order=point.program),
        PageCell(f"Linux {point.kernel}", order=point.kernel),
    )
