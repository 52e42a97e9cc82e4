# SPDX-License-Identifier: MIT
"""The plan of a suite, for a terminal: its cells, their order and the expected time."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table

from stress.model.suite import Cell, Suite, Trial
from stress.model.text import plural

PER_HOUR, PER_MINUTE = 3600, 60


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


def plan_table(suite: Suite, forecasts: Sequence[Forecast]) -> Table:
    """Return one row per cell."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("cell", overflow="fold")
    for column in ("trials", "attempts each", "about each"):
        table.add_column(column, justify="right")
    table.add_column("", overflow="fold")
    for before, forecast in zip([None, *forecasts], forecasts, strict=False):
        if before is not None and before.cell.scenario != forecast.cell.scenario:
            table.add_section()
        notes = [
            *(["baseline"] if forecast.cell.baseline and forecast.cell.levels else []),
            *([] if forecast.cell.measures else ["not measured"]),
            *([f"not applicable: {forecast.unsupported}"] if forecast.unsupported else []),
        ]
        style = "dim" if forecast.unsupported else ""
        trials = "–" if forecast.unsupported else f"{suite.trials}"
        table.add_row(
            forecast.cell.name,
            trials,
            f"{forecast.attempts:,}",
            f"{forecast.seconds:.1f} s",
            ", ".join(notes),
            style=style,
        )
    return table


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
