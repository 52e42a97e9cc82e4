# SPDX-License-Identifier: MIT
"""A list of suites for a terminal: what each is for, how large it is and how long it takes."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from stress.view.text.suite_plan import time_text

HEADS = ("suite", "what it is for", "cells × trials", "about")


def shipped_table(rows: Iterable[tuple[str, str, int, int, float]]) -> Table:
    """Return one row per suite.

    Args:
        rows: name, description, cells, trials of each, and the seconds that all take.
    """
    grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    for head in HEADS:
        grid.add_column(justify="right" if head in HEADS[2:] else "left", no_wrap=head != HEADS[1])
    grid.add_row(*(Text(head, style="bold") for head in HEADS))
    for name, description, cells, trials, seconds in rows:
        grid.add_row(name, Text(description), f"{cells:,} × {trials:,}", time_text(seconds))
    return grid
