# SPDX-License-Identifier: MIT
"""A list of stored runs and suites for a terminal: by day, each with what was found in it."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stress.model.text import join_words, plural, rate_text
from stress.model.units import duration_text
from stress.store.overview import Damage, Overview, RunOverview, SuiteOverview
from stress.store.stored_names import StoredEntry, unique_names

CAUSES_NAMED = 2
FINDINGS_MIN = 24  # columns: of what was found, at least
HEADS = ("UTC", "run or suite", "p50", "per s", "what was slow or failed")

Lines = Sequence[tuple[StoredEntry, Overview]]


def stored_table(lines: Lines, width: int) -> RenderableType:
    """Return one row per run or suite, below the day on which it began; nothing is cut, and names are not broken.

    Args:
        lines: the newest first.
        width: of the terminal in columns.
    """
    names = unique_names([entry for entry, _ in lines])
    rows = [(name, *figure_texts(overview)) for name, (_, overview) in zip(names, lines, strict=True)]
    numbers = [max(len(row[place]) for row in (HEADS[1:], *rows)) for place in (1, 2)]
    room = width - 5 - sum(numbers) - 4 * 2 - FINDINGS_MIN
    longest = max((len(row[0]) for row in (HEADS[1:], *rows) if len(row[0]) <= room), default=len(HEADS[1]))
    widths = (5, longest, *numbers, max(width - 5 - longest - sum(numbers) - 4 * 2, FINDINGS_MIN // 2))
    grid = row_grid(widths)
    grid.add_row(*(Text(head, style="bold") for head in HEADS))
    parts: list[RenderableType] = [grid]
    day = ""
    for (entry, overview), row in zip(lines, rows, strict=True):
        date, _, time = entry.started_text.partition(" ")
        if date != day:
            day = date
            parts += [Text(day, style="bold underline"), grid := row_grid(widths)]
        name, p50, rate = row
        if len(name) > longest:
            parts += [Text(f"{time}  {name}", overflow="fold"), grid := row_grid(widths)]
            time = name = ""
        grid.add_row(time, name, p50, rate, found_text(overview))
    return Group(*parts)


def row_grid(widths: Sequence[int]) -> Table:
    """Return lines of the list, without any; the last cell is wrapped between words."""
    grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    for place, width in enumerate(widths):
        grid.add_column(width=width, justify="right" if place in (2, 3) else "left", overflow="fold")
    return grid


def figure_texts(overview: Overview) -> tuple[str, str]:
    """Return the median of the body and the rate of a run; of others nothing."""
    if not isinstance(overview, RunOverview):
        return "", ""
    p50 = "–" if overview.p50_ns is None else duration_text(overview.p50_ns)
    return p50, rate_text(overview.rate_per_s)


def found_text(overview: Overview) -> Text:
    """Return what was found, and what to know of how it was measured."""
    if isinstance(overview, Damage):
        return Text(overview.reason, style="red")
    says, marks = (
        (run_text(overview), run_marks(overview))
        if isinstance(overview, RunOverview)
        else (suite_text(overview), suite_marks(overview))
    )
    text = Text(says)
    for mark in marks:
        text.append("; ").append(mark, "red")
    return text


def run_text(overview: RunOverview) -> str:
    """Return the causes of a run with their counts: ``500 of 28,232: closewait``."""
    if not overview.attempts:
        return "no attempt"
    if not overview.causes:
        return "nothing"
    total = f"{sum(overview.causes.values()):,} of {overview.attempts:,}"
    named = list(overview.causes.items())
    if len(named) == 1:
        return f"{total}: {words_of(named[0][0])}"
    return f"{total}: {causes_text([f'{count:,} {words_of(cause)}' for cause, count in named])}"


def run_marks(overview: RunOverview) -> Iterator[str]:
    """Yield what to know of how a run was measured."""
    if overview.interrupted:
        yield "interrupted"
    if overview.lost:
        yield "the serving host was lost"
    if overview.unbalanced:
        yield "books do not balance"
    busy = [plural(overview.stalls, "stall")] if overview.stalls else []
    if overview.stolen_ms:
        busy.append(f"{overview.stolen_ms:,} ms stolen")
    if busy:
        yield f"busy: {', '.join(busy)}"


def suite_text(overview: SuiteOverview) -> str:
    """Return the size of a suite, and in how many of its trials there was a cause."""
    done = f"{overview.done:,} of {plural(overview.trials, 'trial')}, {plural(overview.cells, 'cell')}"
    if not overview.done:
        return done
    named = [f"{words_of(cause)} in {count:,}" for cause, count in overview.causes.items()]
    return f"{done}: {causes_text(named) if named else 'nothing'}"


def suite_marks(overview: SuiteOverview) -> Iterator[str]:
    """Yield what to know of the trials of a suite."""
    if overview.failed:
        yield f"{overview.failed:,} failed"
    if overview.interrupted:
        yield f"{overview.interrupted:,} interrupted"
    if overview.missing:
        yield f"{overview.missing:,} not run"
    if overview.not_applicable:
        yield f"{overview.not_applicable:,} not applicable"
    if overview.busy:
        yield f"busy in {overview.busy:,}"
    if overview.unreadable:
        yield f"{overview.unreadable:,} cannot be read"


def causes_text(named: Sequence[str]) -> str:
    """Return the first causes, and how many more there are."""
    more = [plural(len(named) - CAUSES_NAMED, "more cause")] if named[CAUSES_NAMED:] else []
    return join_words([*named[:CAUSES_NAMED], *more])


def words_of(cause: str) -> str:
    """Return a cause as a sentence has it."""
    return cause.replace("_", " ")
