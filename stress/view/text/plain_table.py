# SPDX-License-Identifier: MIT
"""A table of text and numbers for a terminal, and the words of counts."""

from rich import box
from rich.table import Table


def plain_table(*columns: str) -> Table:
    """Return a table whose first column is text and whose others are numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=not index)
    return table
