# SPDX-License-Identifier: MIT
"""Comparisons as a table for a terminal: one line per comparison, the most important first."""

from collections.abc import Sequence
from itertools import chain

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from stress.analysis.comparison.verdict import Comparison, Verdict
from stress.model.text import plural
from stress.view.text import comparison_wording as words
from stress.view.text.metric_wording import percent_text, span_text

QUIET = "dim"
TONES = {
    Verdict.REGRESSED: "bold red",
    Verdict.IMPROVED: "bold green",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NO_DATA: "magenta",
    Verdict.EQUIVALENT: QUIET,
}
GATES = "•"
HEADS = ("  metric", "base", "new", "change", "interval", "p", "trials", "verdict")
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
        parts += lines_of(shown)
    parts += [Text(line, style=QUIET) for line in notes(shown, hidden=len(comparisons) - len(shown))]
    return Group(*parts)


def lines_of(comparisons: Sequence[Comparison]) -> list[RenderableType]:
    """Return the lines of the table: a head, and for each row its name with its comparisons below."""
    rows = {
        row: [cells_of(comparison) for comparison in these] for row, these in words.group_by_row(comparisons).items()
    }
    heads = [Text(head, style="bold") for head in HEADS]
    every = [heads, *chain.from_iterable(rows.values())]
    widths = [max(cell.cell_len for cell in column) for column in zip(*every, strict=True)]
    widths[0] = max(min(widths[0], WIDTH - sum(widths[1:]) - len(widths) + 1), METRIC_MIN)
    lines: list[RenderableType] = [Text(), column_grid([heads], widths), Rule(characters="─", style=QUIET)]
    for row, cells in rows.items():
        lines += [Text(row, style="bold underline"), column_grid(cells, widths), Text()]
    return lines


def column_grid(rows: Sequence[Sequence[Text]], widths: Sequence[int]) -> Table:
    """Return lines of cells in columns of given widths, so that several grids below each other are one table."""
    made = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
    for place, width in enumerate(widths):
        made.add_column(width=width, justify="right" if 0 < place < len(widths) - 1 else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def cells_of(comparison: Comparison) -> list[Text]:
    """Return the cells of a comparison."""
    tone = TONES[comparison.verdict]
    change, interval = words.effect_texts(comparison)
    return [
        Text(f"{GATES if comparison.gating else ' '} {words.name_text(comparison)}"),
        Text(words.estimate_text(comparison, comparison.base_estimate)),
        Text(words.estimate_text(comparison, comparison.new_estimate)),
        Text(change, style=tone),
        Text(interval, style=QUIET),
        Text(words.p_text(comparison.adjusted_p)),
        Text(words.trials_text(comparison), style=QUIET),
        Text(words.verdict_text(comparison), style=tone),
    ]


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
