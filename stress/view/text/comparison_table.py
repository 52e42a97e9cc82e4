# SPDX-License-Identifier: MIT
"""Comparisons as a table for a terminal: one line per comparison, the most important first."""

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Group, RenderableType
from rich.text import Text

from stress.analysis.comparison.verdict import Comparison
from stress.model.text import plural
from stress.view.text import comparison_wording as words
from stress.view.text.comparison_rows import comparison_rows
from stress.view.text.metric_wording import percent_text, span_text
from stress.view.text.rich_table import QUIET, wide_table
from stress.view.text.table import Cell, Column, Row, Table, Tone

GATES = "•"
NUMBERS = ("base", "new", "change", "interval", "p", "trials")
COLUMNS = (Column("  metric"), *(Column(head, is_number=True) for head in NUMBERS), Column("verdict"))
WIDTH = 112
METRIC_MIN = 16  # columns; longer names are broken


def table(comparisons: Sequence[Comparison], *, everything: bool = False) -> RenderableType:
    """Return a summary of comparisons, the method, and a table grouped by row.

    It needs WIDTH columns.

    Args:
        comparisons: decided together.
        everything: whether also those are shown that do not gate and are zero, or have no value, in both arms.
    """
    shown = [comparison for comparison in comparisons if everything or not words.is_of_nothing(comparison)]
    parts: list[RenderableType] = [Text(words.sentence(comparisons), style="bold")]
    if comparisons:
        arms = words.arms_text(comparisons)
        parts.append(Text(f"{arms}. {words.method_text(comparisons)}" if arms else words.method_text(comparisons)))
    if shown:
        pairs = [(row, comparison) for row, these in words.group_by_row(shown).items() for comparison in these]
        rows = zip(comparison_rows(pairs), pairs, strict=True)
        narrow = tuple(narrow_row(row, is_gating=comparison.gating) for row, (_, comparison) in rows)
        parts += wide_table(Table(COLUMNS, narrow), WIDTH, METRIC_MIN)
    parts += [Text(line, style=QUIET) for line in notes(shown, hidden=len(comparisons) - len(shown))]
    return Group(*parts)


def narrow_row(row: Row, *, is_gating: bool) -> Row:
    """Return a row for a terminal: GATES marks what gates, arms are without intervals, that of the change is apart."""
    metric, base, new, change, *others = row.cells
    cells = (
        Cell(f"{GATES if is_gating else ' '} {metric.text}"),
        *(replace(cell, detail="") for cell in (base, new, change)),
        Cell(change.detail, tone=Tone.QUIET),
        *others,
    )
    return Row(row.group, cells)


def notes(shown: Sequence[Comparison], *, hidden: int) -> list[str]:
    """Return how to read the table, and how much of it is not shown."""
    lines = []
    if any(comparison.gating for comparison in shown) and not all(comparison.gating for comparison in shown):
        lines.append(f"{GATES} gates; the others are explored.")
    levels = sorted(comparison.level for comparison in shown if comparison.level)
    if levels:
        sure = span_text([percent_text(level) for level in levels])
        lines.append(f"base, new: medians over trials. interval: of the change, {sure} confidence. p: corrected.")
    if any(comparison.more_trials for comparison in shown):
        lines.append("+N trials: so many more of each arm would probably decide, if the change is what it looks like.")
    if hidden:
        lines.append(f"Hidden: {plural(hidden, 'comparison')} of nothing with nothing (zero or no value in both).")
    return lines
