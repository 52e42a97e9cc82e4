# SPDX-License-Identifier: MIT
"""A watch while it lasts: a table for a terminal, which is drawn again and again, and a line for what is none."""

from contextlib import nullcontext
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from stress.model.inspection import Inspection, Watch
from stress.model.text import plural
from stress.view.text.inspection_rows import leak_table, listener_table, watched_counters
from stress.view.text.rich_table import noted_table
from stress.view.text.row_table import QUIET
from stress.view.text.table import Cell, Column, Row, Table, Tone

ROWS = 6  # of a table while it is watched, so that all of it stays on a terminal of 24 lines


class WatchDisplay:
    """Shows a watch while it lasts; a context manager. On a terminal nothing of it remains."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        """Prepare the display.

        Args:
            console: where it is shown; what is no terminal gets a line per look.
            quiet: show nothing.
        """
        self.console = console
        self.quiet = quiet
        live = console.is_terminal and not quiet
        self.live = Live(console=console, auto_refresh=False, transient=True) if live else None

    def __enter__(self) -> Self:
        (self.live or nullcontext()).__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self.live or nullcontext()).__exit__(kind, value, trace)

    def show(self, inspection: Inspection, remaining_s: float) -> None:
        """Show the watch so far."""
        if self.live:
            self.live.update(watch_table(inspection, remaining_s, self.console.width), refresh=True)
        elif not self.quiet:
            self.console.print(watch_line(inspection, remaining_s), soft_wrap=True, markup=False)


def watch_table(inspection: Inspection, remaining_s: float, width: int) -> RenderableType:
    """Return what is there now, what changed since the watch began, and how long it lasts still.

    Args:
        inspection: of the watch so far.
        remaining_s: of the watch.
        width: of the terminal in columns.
    """
    watch = inspection.watch
    assert watch is not None
    parts: list[RenderableType] = [
        Text(f"watched for {watch.seconds:.0f} s, {remaining_s:.0f} s remain (Ctrl-C ends it)", style="bold"),
        noted_table(state_table(inspection, watch), width),
    ]
    listeners, _ = listener_table(inspection)
    busy = [row for row in listeners.rows if row.cells[2].tone is not Tone.PLAIN or row.cells[3].tone is not Tone.PLAIN]
    if busy:
        parts += [Text(), noted_table(without_notes(listeners, busy), width)]
    leaks, _ = leak_table(inspection.leaks)
    if leaks.rows:
        parts += [Text(), noted_table(without_notes(leaks, list(leaks.rows)), width)]
    parts += [Text(), Text(f"counters: {watched_counters(watch) or 'none that tells of connects rose'}", style=QUIET)]
    return Group(*parts)


def without_notes(table: Table, rows: list[Row]) -> Table:
    """Return some of the rows of a table, without the lines below them."""
    return Table(table.columns, tuple(Row(row.group, row.cells) for row in rows[:ROWS]))


def state_table(inspection: Inspection, watch: Watch) -> Table:
    """Return one row per state: sockets now, and how many of them appeared, stayed and are gone."""
    columns = [Column("sockets"), *(Column(name, is_number=True) for name in ("now", "appeared", "stayed", "gone"))]
    seen = (inspection.states, watch.appeared, watch.stayed, watch.gone)
    names = dict.fromkeys(name for states in (inspection.states, watch.gone) for name in states)
    ranked = sorted(names, key=lambda name: -sum(states.get(name, 0) for states in seen))
    rows = [Row("", (Cell(name), *(Cell(f"{states.get(name, 0):,}") for states in seen))) for name in ranked[:ROWS]]
    return Table(tuple(columns), tuple(rows))


def watch_line(inspection: Inspection, remaining_s: float) -> str:
    """Return the watch so far in one line: what is left of it, and all that rose."""
    watch = inspection.watch
    assert watch is not None
    largest = max(inspection.leaks, key=lambda leak: leak.count, default=None)
    drops = {place: count for place, count in watch.listener_drops.items() if count}
    parts = [
        f"{watch.seconds:.0f} s watched, {remaining_s:.0f} s remain",
        *([f"{largest.count:,} {largest.state} at {largest.local}"] if largest else []),
        *(f"{place} dropped {plural(count, 'packet')}" for place, count in list(drops.items())[:ROWS]),
        watched_counters(watch) or "no counter rose",
    ]
    return "; ".join(parts)
