# SPDX-License-Identifier: MIT
"""The changes of a history for a terminal: one row per change, open regressions first."""

from dataclasses import replace

from rich.console import Group, RenderableType
from rich.text import Text

from stress.analysis.history.change import ChangePoint, Direction, Kind, State, Track
from stress.analysis.history.change_point import AWAY_POINTS
from stress.analysis.history.history import History
from stress.model.text import plural
from stress.view.text import metric_wording as words
from stress.view.text.history_names import shared_line, shorten_names
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
from stress.view.text.row_table import QUIET, Line, RowTable, Section

NUMBERS = ("from → to", "change")
HEADS = ("cell, metric", *NUMBERS, "since, first run", "program, kernel then", "state")
TONES = {Direction.REGRESSED: "red", Direction.IMPROVED: "green", Direction.CHANGED: ""}


def history_table(history: History) -> Group:
    """Return the changes as a table, followed by notes on the series."""
    shared, history = shared_line(history.tracks), replace(history, tracks=shorten_names(history.tracks))
    rows = [(track, change) for track in history.tracks for change in track.all_changes]
    rows.sort(key=lambda row: importance(*row))
    several = len({track.series.testbed for track in history.tracks}) > 1
    sections = [Section(None, [change_line(track, change, several=several) for track, change in rows])]
    table = RowTable([Text(head) for head in HEADS], [head in NUMBERS for head in HEADS], sections)
    parts: list[RenderableType] = [Text(), table, Text()] if rows else []
    return Group(*parts, *([Text(shared, style=QUIET)] if shared else []), *notes(history))


def change_line(track: Track, change: ChangePoint, *, several: bool) -> Line:
    """Return a change as a row; of several testbeds with its own."""
    series, after = track.series, track.series.points[change.place]
    where = [series.cell, words.name_text(series.metric), *([f"testbed {series.testbed}"] if several else [])]
    run = run_text(track, change)
    made_by = program_text(after, with_commit=differ_commits(series.points)).split(", ")
    return Line(
        [
            first_bright(*where),
            Text(f"{words.value_text(series.metric, change.before)} → {words.value_text(series.metric, change.after)}"),
            Text(change_text(series, change)),
            first_bright(f"{after.time:%Y-%m-%d %H:%M}", run),
            first_bright(*made_by, f"Linux {after.kernel}"),
            state_text(track, change),
        ],
        [Text(f"changed: {differences}", style=QUIET)] if (differences := differences_text(series, change)) else [],
    )


def run_text(track: Track, change: ChangePoint) -> str:
    """Return the first run after a step, or the last one of a drift: by it, --accept knows the change."""
    run = f"run {track.series.points[change.named_place].runs[0].rpartition('-')[2]}"
    return f"to {run}" if change.kind is Kind.DRIFT else run


def first_bright(first: str, *others: str) -> Text:
    """Return lines of which the first one matters most."""
    return Text("\n").join([Text(first), *(Text(line, style=QUIET) for line in others)])


def state_text(track: Track, change: ChangePoint) -> Text:
    """Return the direction and state of a change, and whether it was undone."""
    sure = change.state is State.CONFIRMED
    lines = [Text(change.direction.value, style=TONES[change.direction] + (" bold" if sure else ""))]
    lines += [
        Text(words, style="" if sure and not place else QUIET)
        for place, words in enumerate(state_words(change).split(", "))
    ]
    if not track.series.current:
        lines.append(Text("of an older plan", style=QUIET))
    if change.reason:
        lines.append(Text(change.reason, style=QUIET))
    return Text("\n").join(lines)


def notes(history: History) -> list[Text]:
    """Return the number of series, and the meaning of the states."""
    points = [len(track.series.points) for track in history.tracks]
    lines = [count_line(points), too_short_line(points), *level_lines(history.tracks), busy_line(history.tracks)]
    lines.append(changed_line(history.tracks))
    lines = list(filter(None, lines))
    if any(track.changes for track in history.tracks):
        lines.append(
            "confirmed: both detectors find it, with three points or more on either side; suspected: one of them, or "
            "too new."
        )
    if any(track.drifts for track in history.tracks):
        lines.append("confirmed drift: a slope explains the points much better than steps do; suspected: a little.")
    if any(change.went_away for track in history.tracks for change in track.changes):
        lines.append(f"went away: the level returned within {AWAY_POINTS} points; that is no regression.")
    open_count = len(history.open_regressions)
    if open_count:
        lines.append(f"{plural(open_count, 'confirmed regression')} neither accepted nor undone.")
    elif any(change.is_open_regression for track in history.tracks for change in track.all_changes):
        lines.append("Confirmed regressions are of older plans only.")
    return [Text(line, style=QUIET) for line in lines]
