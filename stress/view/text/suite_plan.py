# SPDX-License-Identifier: MIT
"""The plan of a suite, for a terminal: its cells, their order and the expected time."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group
from rich.text import Text

from stress.model.suite import ARM, Cell, Suite, Trial
from stress.model.text import plural
from stress.view.text.rich_table import grouped_table
from stress.view.text.table import Cell as TableCell
from stress.view.text.table import Column, Row, Table, Tone

PER_HOUR, PER_MINUTE = 3600, 60
NUMBERS = ("trials", "attempts each", "about each")
COLUMNS = (Column("scenario\n  setting"), *(Column(head, is_number=True) for head in NUMBERS))


@dataclass(frozen=True)
class Forecast:
    """The expected size and time of one trial of a cell.

    Attributes:
        cell: the cell.
        attempts: how many it makes.
        seconds: how long it takes.
        unsupported: why this host cannot run it, or None.
    """

    cell: Cell
    attempts: int
    seconds: float
    unsupported: str | None


def plan_table(suite: Suite, forecasts: Sequence[Forecast]) -> Group:
    """Return one row per cell, below its scenario."""
    rows = tuple(plan_row(suite, forecast) for forecast in forecasts)
    return Group(Text(), grouped_table(Table(COLUMNS, rows)), Text())


def plan_row(suite: Suite, forecast: Forecast) -> Row:
    """Return the row of a cell."""
    cell, unsupported = forecast.cell, forecast.unsupported
    notes = [
        *([] if cell.measures else ["not measured"]),
        *([f"not applicable: {unsupported}"] if unsupported else []),
    ]
    usual = "baseline" if cell.levels else "as it is"
    usual = f"{ARM}={cell.arm}, {usual}" if cell.arm else usual
    texts = (
        f"  {cell.name.removeprefix(cell.scenario).strip() or usual}",
        "–" if unsupported else f"{suite.trials:,}",
        f"{forecast.attempts:,}",
        f"{forecast.seconds:.1f} s",
    )
    tone = Tone.QUIET if unsupported else Tone.PLAIN
    return Row(cell.scenario, tuple(TableCell(text, tone=tone) for text in texts), tuple(notes))


def order_lines(suite: Suite, trials: Sequence[Trial], hosts: Sequence[str]) -> list[str]:
    """Return the order of the first block, and the seed of the others."""
    first = [trial.cell for trial in trials if trial.block == 0]
    suffix = f", by each of {len(hosts)} hosts at the same time: {', '.join(hosts)}" if len(hosts) > 1 else ""
    return [
        (
            f"order: {plural(suite.trials, 'block')} of {plural(len(first), 'trial')}, "
            f"each in an order drawn from seed {suite.seed}{suffix}"
        ),
        "the first block:",
        *(f"  {place:>3}  {cell}" for place, cell in enumerate(first, start=1)),
    ]


def total_line(suite: Suite, forecasts: Sequence[Forecast], hosts: int = 1) -> str:
    """Return the totals of the plan in one line."""
    runnable = [forecast for forecast in forecasts if forecast.unsupported is None]
    trials = suite.trials * len(runnable) * hosts
    attempts = suite.trials * sum(cell.attempts for cell in runnable) * hosts
    seconds = suite.trials * sum(cell.seconds for cell in runnable) + suite.warmup * (
        runnable[0].seconds if runnable else 0
    )
    return (
        f"in all: {len(runnable)} of {plural(len(forecasts), 'cell')}, {plural(trials, 'trial')}, "
        f"about {plural(attempts, 'attempt')} and "
        f"{time_text(seconds)}, waiting for a quiet machine left out"
    )


def time_text(seconds: float) -> str:
    """Return a time in hours, minutes and seconds: ``2 h 05 min``, ``3 min 20 s``, ``40 s``."""
    rounded = round(seconds)
    if rounded >= PER_HOUR:
        return f"{rounded // PER_HOUR} h {rounded % PER_HOUR // PER_MINUTE:02} min"
    if rounded >= PER_MINUTE:
        return f"{rounded // PER_MINUTE} min {rounded % PER_MINUTE:02} s"
    return f"{rounded} s"
