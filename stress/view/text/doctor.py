# SPDX-License-Identifier: MIT
"""What was found of this machine, for a terminal."""

from collections.abc import Iterable

from rich import box
from rich.table import Table

from stress.lab.doctor import Check
from stress.model.record import Overhead
from stress.model.speed import Speed


def checkup_table(points: Iterable[Check]) -> Table:
    """Return a row for each thing that was looked at."""
    table = Table("", "", "found", "what to do", box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for point in points:
        mark = "[yellow]![/]" if point.advice else "[green]✓[/]"
        table.add_row(mark, point.name, point.state, point.advice)
    return table


def speed_table(speeds: Iterable[Speed], harness: Overhead) -> Table:
    """Return a row for each way to close, and below what recording costs."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", caption_justify="left")
    table.add_column("close")
    for column in ("bare loop", "engine, all recorded", "engine / bare", "quartiles"):
        table.add_column(column, justify="right")
    for speed in speeds:
        low, high = speed.ratio_quartiles
        table.add_row(
            speed.close,
            f"{speed.bare_per_s:,.0f}/s",
            f"{speed.engine_per_s:,.0f}/s",
            f"{speed.ratio:.3f}",
            f"{low:.3f}–{high:.3f}",
        )
    table.caption = harness_text(harness)
    return table


def harness_text(harness: Overhead) -> str:
    """Return what recording an attempt costs, in a line."""
    return (
        f"recording costs {harness.attempt_ns(port_known=True):.0f} ns an attempt (3 clock readings of "
        f"{harness.clock_ns:.0f} ns), {harness.attempt_ns(port_known=False):.0f} ns where the kernel chooses the port "
        f"(4, and getsockname() of {harness.getsockname_ns:.0f} ns)"
    )
