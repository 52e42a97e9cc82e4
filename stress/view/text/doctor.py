# SPDX-License-Identifier: MIT
"""The checks of this machine, for a terminal."""

from collections.abc import Iterable

from rich import box
from rich.table import Table

from stress.lab.doctor import Check
from stress.model.record import Overhead
from stress.model.speed import Speed
from stress.view.text.whole_table import WholeTable


def checkup_table(points: Iterable[Check]) -> Table:
    """Return one row per check."""
    table = WholeTable("", "", "found", "what to do", box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for point in points:
        mark = "[yellow]![/]" if point.advice else "[green]✓[/]"
        table.add_row(mark, point.name, point.state, point.advice)
    return table


def speed_table(speeds: Iterable[Speed], overhead: Overhead) -> Table:
    """Return one row per way to close, and the cost of recording in the caption."""
    table = WholeTable(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", caption_justify="left")
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
    table.caption = overhead_text(overhead)
    return table


def overhead_text(overhead: Overhead) -> str:
    """Return the cost of recording an attempt in one line."""
    return (
        f"recording costs {overhead.attempt_ns(port_known=True):.0f} ns an attempt (3 clock readings of "
        f"{overhead.clock_ns:.0f} ns), {overhead.attempt_ns(port_known=False):.0f} ns where the kernel chooses the "
        f"port (4, and getsockname() of {overhead.getsockname_ns:.0f} ns)"
    )
