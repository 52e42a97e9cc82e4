# SPDX-License-Identifier: MIT
"""The results of a gate as Markdown, for a pull request or the summary of a CI job."""

from collections.abc import Sequence

from stress.analysis.gate.result import ConditionResult, State
from stress.model.text import plural, shown_text
from stress.view.text import gate_wording as words
from stress.view.text.breaking_wording import why_lines
from stress.view.text.gate_picture import gate_picture
from stress.view.text.gate_rows import gate_rows
from stress.view.text.markdown import SIGNS, escape, fold_away, markdown_table
from stress.view.text.table import Cell, Column, Row, Table

NUMBERS = ("base", "new", "change", "p, corrected")
COLUMNS = (Column(""), Column("condition"), Column("row"), *(Column(head, is_number=True) for head in NUMBERS))


def error_markdown(text: str) -> str:
    """Return that nothing was evaluated, and why."""
    return f"**Nothing was evaluated.** {escape(text)}\n"


def markdown(results: Sequence[ConditionResult], warnings: Sequence[str], allowed: Sequence[str] = ()) -> str:
    """Return the summary, a table of conditions that do not hold, the others folded away, and the warnings."""
    in_order = words.order_results(results)
    grave = [result for result in in_order if result.state is not State.HOLDS]
    fine = [result for result in in_order if result.state is State.HOLDS]
    blocks = [f"**{words.summary(results)}**"]
    if grave:
        blocks.append(table(grave))
    if fine:
        summary = f"{plural(len(fine), 'condition holds', 'conditions hold')}"
        blocks.append(fold_away(summary, table(fine)))
    if picture := gate_picture(in_order):
        blocks.append(f"```text\n{shown_text(picture)}\n```")
    if lines := why_lines(in_order):
        blocks.append("\n".join(f"- {escape(text)}" for text in lines))
    # What so few trials cannot decide is among the warnings.
    blocks += [escape(note) for note in (words.marks_text(results), *words.held_notes(results)) if note]
    if allowed:
        blocks.append(escape(words.allowed_text(allowed)))
    if warnings:
        blocks.append("\n".join(f"- {escape(text)}" for text in warnings))
    return "\n\n".join(blocks) + "\n"


def table(results: Sequence[ConditionResult]) -> str:
    """Return a table of condition results."""
    return markdown_table(Table(COLUMNS, tuple(full_row(row) for row in gate_rows(results))))


def full_row(row: Row) -> Row:
    """Return a row for Markdown: the state first, with its sign, and the condition as a cell."""
    *cells, state = row.cells
    return Row(row.group, (Cell(f"{SIGNS[state.tone]} {state.text}"), Cell(row.group, code=True), *cells))
