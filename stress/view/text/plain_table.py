# SPDX-License-Identifier: MIT
"""A table of text and numbers for a terminal, and the words of counts."""

from rich import box

from stress.view.text.whole_table import WholeTable


def plain_table(*columns: str) -> WholeTable:
    """Return a table whose first column is text and whose others are numbers."""
    table = WholeTable(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    return table
