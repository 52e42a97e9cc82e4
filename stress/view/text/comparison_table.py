# SPDX-License-Identifier: MIT
"""Comparisons as a table for a terminal: one line per comparison, the most important first."""

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Group, RenderableType
from rich.text import Text

from stress.analysis.comparison.verdict import Comparison
from stress.model.text import plural
from stress.view.text import comparison_wording as words
from stress.view.text.comparison_rows import comparison_rows, held_notes, mark_notes, more_notes, units_text
from stress.view.text.design_wording import comparison_notes
from stress.view.text.fitting import MARK
from stress.view.text.metric_wording import percent_text, span_text
from stress.view.text.rich_table import STYLES, Widest, grouped_table
from stress.view.text.row_table import QUIET
from stress.view.text.table import Cell, Column, Row, Table, Tone, without_column

GATES = MARK
NUMBERS = ("base", "new", "change", "interval", "p", "trials")
METRIC, VERDICT = Column("  metric"), Column("verdict")
COLUMNS = (METRIC, *(Column(head, is_number=True) for head in NUMBERS), VERDICT)
NARROW = (METRIC, *(Column(head, is_number=True) for head in NUMBERS if head != "interval"), VERDICT)
TRIALS = [column.head for column in NARROW].index("trials")


def table(comparisons: Sequence[Comparison], *, everything: bool = False, absent: Sequence[str] = ()) -> RenderableType:
    """Return a summary of comparisons, the method, and a table grouped by row.

    Where the terminal is narrow, the interval of a change stands below it.

    Args:
        comparisons: decided together.
        everything: whether also those are shown that do not gate and are zero, or have no value, in both arms.
        absent: sentences about planned trials without a result.
    """
    shown = [comparison for comparison in comparisons if everything or not words.is_of_nothing(comparison)]
    parts: list[RenderableType] = [Text(words.sentence(comparisons), style="bold")]
    if comparisons:
        parts.append(Text(words.head_text(comparisons, shown)))
    if shown:
        pairs = [(row, comparison) for row, these in words.group_by_row(shown).items() for comparison in these]
        rows = zip(comparison_rows(pairs), pairs, strict=True)
        marked = [marked_row(row, is_gating=comparison.gating) for row, (_, comparison) in rows]
        wide = grouped_table(Table(COLUMNS, tuple(map(wide_row, marked))))
        narrow = Table(NARROW, tuple(marked))
        if len(trials_texts(shown)) == 1:
            narrow = without_column(narrow, TRIALS)  # the notes say how many
        parts += [Text(), Widest([wide, grouped_table(narrow, is_tall=True)]), Text()]
    parts += [Text(f"{line}.", style=STYLES[Tone.MISSING]) for line in absent]
    parts += [Text(line, style=QUIET) for line in notes(shown, hidden=len(comparisons) - len(shown))]
    return Group(*parts)


def trials_texts(shown: Sequence[Comparison]) -> set[str]:
    """Return the numbers of trials of the arms, as the table has them."""
    return {words.trials_text(comparison) for comparison in shown}


def marked_row(row: Row, *, is_gating: bool) -> Row:
    """Return a row for a terminal: GATES marks what gates, and arms are without intervals."""
    metric, base, new, *others = row.cells
    name = Cell(f"{GATES if is_gating else ' '} {metric.text}")
    return Row(row.group, (name, replace(base, detail=""), replace(new, detail=""), *others))


def wide_row(row: Row) -> Row:
    """Return a row with the interval of the change in a column of its own."""
    metric, base, new, change, *others = row.cells
    interval = Cell(change.detail, tone=Tone.QUIET)
    return Row(row.group, (metric, base, new, replace(change, detail=""), interval, *others))


def notes(shown: Sequence[Comparison], *, hidden: int) -> list[str]:
    """Return how to read the table, and how much of it is not shown."""
    lines = []
    if any(comparison.gating for comparison in shown) and not all(comparison.gating for comparison in shown):
        lines.append(f"{GATES} gates; the others are explored.")
    levels = sorted(comparison.level for comparison in shown if comparison.level)
    if levels:
        sure = span_text([percent_text(level) for level in levels])
        over = units_text(shown)
        lines.append(f"base, new: medians over {over}; change with its interval, {sure} confidence; p corrected.")
    lines += [*mark_notes(shown), *held_notes(shown), *comparison_notes(shown), *more_notes(shown)]
    if hidden:
        lines.append(f"Hidden: {plural(hidden, 'comparison')} of nothing with nothing (zero or no value in both).")
    return lines
