# SPDX-License-Identifier: MIT
"""The books of a run as a table for a terminal."""

from rich.table import Table
from rich.text import Text

from stress.model.summary import Claim, Summary
from stress.view.text.plain_table import plain_table


def books_table(summary: Summary) -> Table:
    """Return the books: each claim next to its counter, but for claims of 0 whose counters did not move.

    Claims of several acts stand below the names of the acts.
    """
    table = plain_table("books: the attempts say", "count", "kernel counter", "change", "")
    table.columns[0].no_wrap = False
    table.columns[2].justify = "left"
    table.columns[2].overflow = "fold"  # a truncated counter name cannot be looked up
    by_act: dict[str, list[Claim]] = {}
    for claim in summary.books:
        by_act.setdefault(claim.act, []).append(claim)
    for act, claims in by_act.items():
        moved = [claim for claim in claims if claim.value or claim.delta]
        if len(by_act) > 1 and moved:
            table.add_section()
            table.add_row(Text(act, style="bold"))
        for claim in moved:
            table.add_row(claim.claim, f"{claim.value:,}", claim.counter, f"{claim.delta:,}", sign_text(claim))
    unchanged = sum(not claim.value and not claim.delta for claim in summary.books)
    if unchanged:
        table.caption = f"and {unchanged} claims of 0, whose counters did not move"
        table.caption_justify = "left"
    return table


def sign_text(claim: Claim) -> Text:
    """Return whether a claim and its counter agree, or by how much they do not."""
    return Text("=", style="green") if claim.balanced else Text(f"≠ {claim.delta - claim.value:+,}", style="red")
