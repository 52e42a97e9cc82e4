# SPDX-License-Identifier: MIT
"""The books of a run as a table for a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from stress.model.summary import Claim
from stress.model.text import plural
from stress.view.text.plain_table import plain_table

WHOLE_FROM = 110  # columns: on narrower terminals books that balance are one line


@dataclass(frozen=True)
class Books:
    """The books of a run for a terminal. A renderable of rich.

    Attributes:
        claims: each with its counter.
        is_whole: whether all of them are shown on narrow terminals, too.
    """

    claims: Sequence[Claim]
    is_whole: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table of all claims, or one line and those that do not balance."""
        if self.is_whole or options.max_width >= WHOLE_FROM:
            yield books_table(self.claims)
            return
        wrong = [claim for claim in self.claims if not claim.balanced]
        balanced = f"{len(self.claims) - len(wrong):,} of {len(self.claims):,}"
        state = ("not balanced", "red") if wrong else ("balanced", "green")
        yield Text.assemble(("books", "bold"), ": ", state, f" ({balanced}); --books shows all")
        if wrong:
            yield books_table(wrong)


def books_table(books: Sequence[Claim]) -> Table:
    """Return each claim next to its counter, but for claims of 0 whose counters did not move.

    Claims of several acts stand below the names of the acts.
    """
    table = plain_table("books: the attempts say", "count", "kernel counter", "change", "")
    table.columns[2].justify = "left"
    by_act: dict[str, list[Claim]] = {}
    for claim in books:
        by_act.setdefault(claim.act, []).append(claim)
    for act, claims in by_act.items():
        moved = [claim for claim in claims if claim.value or claim.delta]
        if len(by_act) > 1 and moved:
            table.add_section()
            table.add_row(Text(act, style="bold"))
        for claim in moved:
            table.add_row(claim.claim, f"{claim.value:,}", claim.counter, f"{claim.delta:,}", sign_text(claim))
    unchanged = sum(not claim.value and not claim.delta for claim in books)
    if unchanged:
        whose = "whose counter" if unchanged == 1 else "whose counters"
        table.caption = f"and {plural(unchanged, 'claim')} of 0, {whose} did not move"
        table.caption_justify = "left"
    return table


def sign_text(claim: Claim) -> Text:
    """Return whether a claim and its counter agree, or by how much they do not."""
    return Text("=", style="green") if claim.balanced else Text(f"≠ {claim.delta - claim.value:+,}", style="red")
