# SPDX-License-Identifier: MIT
"""What proves the causes of a run, as text for a terminal: the rules and their figures, the bounds, the hints."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from stress.model.summary import Bound, Proof
from stress.model.text import plural
from stress.view.text.count_wording import name_in_words
from stress.view.text.plain_table import plain_table
from stress.view.text.proof_wording import bound_sentences


def proofs_table(proofs: Iterable[Proof]) -> Table:
    """Return for each cause how many attempts have it, and the sentence of the rule that claimed it."""
    table = plain_table("cause", "attempts", "what proves it")
    table.columns[2].justify = "left"
    by_act: dict[str, list[Proof]] = {}
    for proof in proofs:
        by_act.setdefault(proof.act, []).append(proof)
    for act, of_act in by_act.items():
        if len(by_act) > 1:
            table.add_section()
            table.add_row(Text(act, style="bold"))
        for proof in of_act:
            table.add_row(name_in_words(proof.cause), f"{proof.attempts:,}", proof_text(proof))
    return table


def proof_text(proof: Proof) -> Text:
    """Return the sentence of a proof, its grade, the name of its rule, and how many attempts it delayed as well."""
    quiet = f"{proof.grade}, by the rule {proof.rule}"
    if proof.also:
        quiet += f"; it also delayed {plural(proof.also, 'attempt')} after the cause that they have"
    return Text.assemble(proof.text, "\n", (quiet, "dim"))


def bound_lines(bounds: Iterable[Bound]) -> list[Text]:
    """Return a line for the attempts of each act of which only sums are known."""
    return [Text(sentence) for sentence in bound_sentences(bounds)]


def hint_lines(hints: Iterable[str]) -> list[Text]:
    """Return each hint about what is unknown as a line."""
    return [Text(hint, style="cyan") for hint in hints]
