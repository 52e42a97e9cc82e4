# SPDX-License-Identifier: MIT
"""The books of a run as a table for a terminal."""

from rich.table import Table

from stress.model.summary import Summary
from stress.view.text.plain_table import plain_table


def books_table(summary: Summary) -> Table:
    """Return the books: each claim next to its counter, but for claims of 0 whose counters did not move."""
    several = len({claim.act for claim in summary.books}) > 1
    table = plain_table(
        "books: the attempts say", *(["act"] if several else []), "count", "kernel counter", "change", ""
    )
    table.columns[0].no_wrap = False
    table.columns[2 + several].justify = "left"
    table.columns[2 + several].overflow = "fold"  # a truncated counter name cannot be looked up
    if several:
        table.columns[1].justify = "left"
    for claim in summary.books:
        if claim.value or claim.delta:
            table.add_row(
                claim.claim,
                *([claim.act] if several else []),
                f"{claim.value:,}",
                claim.counter,
                f"{claim.delta:,}",
                "[green]=[/]" if claim.balanced else f"[red]≠ {claim.delta - claim.value:+,}[/]",
            )
    unchanged = sum(not claim.value and not claim.delta for claim in summary.books)
    if unchanged:
        table.caption = f"and {unchanged} claims of 0, whose counters did not move"
        table.caption_justify = "left"
    return table
