# SPDX-License-Identifier: MIT
"""A table of text and numbers for a terminal, and the words of counts."""

from collections.abc import Mapping

from rich import box
from rich.table import Table


def plain_table(*columns: str) -> Table:
    """Return a table whose first column is text and whose others are numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=not index)
    return table


def name_in_words(name: str) -> str:
    """Return the name of an outcome or a cause as a sentence has it: ``lost on the way``."""
    return name.replace("_", " ")


def counts_text(counted: Mapping[str, int]) -> str:
    """Return counts above 0 in words: ``27,632 connected, 600 retried``."""
    return ", ".join(f"{count:,} {name_in_words(name)}" for name, count in counted.items() if count) or "none"
