# SPDX-License-Identifier: MIT
"""Comparisons as Markdown, for a pull request or the summary of a CI job: the verdict, what changed, then the rest."""

from collections.abc import Sequence
from dataclasses import replace

from stress.analysis.comparison.verdict import Comparison, Verdict
from stress.model.text import plural
from stress.view.text import comparison_wording as words
from stress.view.text.comparison_rows import comparison_rows, held_notes, mark_notes, more_notes, units_text
from stress.view.text.design_wording import comparison_notes
from stress.view.text.markdown import SIGNS, escape, fold_away, markdown_table
from stress.view.text.metric_wording import percent_text, span_text
from stress.view.text.table import Cell, Column, Row, Table

NUMBERS = ("base", "new", "change", "p, corrected", "trials")
COLUMNS = (Column("row"), Column("metric"), *(Column(head, is_number=True) for head in NUMBERS), Column("verdict"))
ROWS_MAX = 300  # of either table: a comment on GitHub holds 65,536 characters, and a page of more is not read


def markdown(comparisons: Sequence[Comparison], absent: Sequence[str] = ()) -> str:
    """Return GitHub-flavoured Markdown: a sentence, a table of what changed, and all others folded away.

    What gates and is inconclusive or without data is not folded away: a gate may close for it. Nor are planned trials
    without a result, a sentence each.
    """
    if not comparisons:
        return f"**{words.sentence(comparisons)}**\n"
    in_order = [(row, comparison) for row, these in words.group_by_row(comparisons).items() for comparison in these]
    first = [pair for pair in in_order if is_first(pair[1])]
    folded = [pair for pair in in_order if not is_first(pair[1])]
    rest = [pair for pair in folded if not words.is_of_nothing(pair[1])]
    blocks = [f"**{escape(words.sentence(comparisons))}**"]
    blocks.append(escape(words.head_text(comparisons, comparisons)))
    if first:
        blocks.append(table(first))
    if absent:
        blocks.append("\n".join(f"- {escape(line)}" for line in absent))
    if rest:
        summary = plural(len(rest), "other comparison")
        blocks.append(fold_away(summary, table(rest)))
    blocks.append(" ".join(notes(comparisons, nothing=len(folded) - len(rest))))
    return "\n\n".join(block for block in blocks if block) + "\n"


def is_first(comparison: Comparison) -> bool:
    """Return whether a comparison is shown at once: it changed, or it gates and is not decided."""
    undecided = comparison.verdict in (Verdict.INCONCLUSIVE, Verdict.NO_DATA)
    return comparison.verdict in words.CHANGED or (comparison.gating and undecided)


def table(pairs: Sequence[tuple[str, Comparison]]) -> str:
    """Return a table of comparisons, each with the name of its row; of very many the first."""
    shown = pairs[:ROWS_MAX]
    rows = zip(comparison_rows(shown), shown, strict=True)
    text = markdown_table(Table(COLUMNS, tuple(full_row(row, comparison) for row, (_, comparison) in rows)))
    return f"{text}\n\n{len(pairs) - ROWS_MAX:,} more are not shown." if len(pairs) > ROWS_MAX else text


def full_row(row: Row, comparison: Comparison) -> Row:
    """Return a row for Markdown: its group is a cell, changes have a sign, and what does not gate is explored."""
    *cells, verdict = row.cells
    sign = f"{SIGNS[verdict.tone]} " if comparison.verdict in words.CHANGED else ""
    text = f"{sign}{verdict.text}{'' if comparison.gating else ' (explored)'}"
    return Row(row.group, (Cell(row.group), *cells, replace(verdict, text=text)))


def notes(comparisons: Sequence[Comparison], *, nothing: int) -> list[str]:
    """Return how to read it, and what is left out."""
    lines = []
    levels = sorted(comparison.level for comparison in comparisons if comparison.level)
    if levels:
        sure = span_text([percent_text(level) for level in levels])
        over = units_text(comparisons)
        lines.append(f"Medians over {over} with their intervals; intervals of changes: {sure} confidence.")
    others = (*mark_notes(comparisons), *held_notes(comparisons), *comparison_notes(comparisons))
    lines += map(escape, [*others, *more_notes(comparisons)])
    if nothing:
        lines.append(f"Left out: {plural(nothing, 'comparison')} of nothing with nothing (zero or no value in both).")
    return lines
