# SPDX-License-Identifier: MIT
"""The catalogue of scenarios as text for a terminal."""

from collections.abc import Iterable

from rich import box
from rich.table import Table


def catalogue_text(entries: Iterable[tuple[str, str, str]]) -> Table:
    """Return a table of (name, what it does, what to expect)."""
    table = Table(
        "scenario", "what it does", "what to expect", box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold"
    )
    for name, summary, expect in entries:
        table.add_row(f"[bold]{name}[/]", summary, expect)
    return table
