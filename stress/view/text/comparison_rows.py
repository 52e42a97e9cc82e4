# SPDX-License-Identifier: MIT
"""Comparisons as a table, built once for the terminal and for Markdown."""

from collections.abc import Iterable

from stress.analysis.comparison.verdict import Comparison, Verdict
from stress.analysis.metric import find_metric
from stress.analysis.statistics.trials import Estimate
from stress.view.text import comparison_wording as words
from stress.view.text.change_mark import MARK, mark_note
from stress.view.text.metric_wording import interval_text
from stress.view.text.table import Cell, Row, Tone

TONES = {
    Verdict.REGRESSED: Tone.WORSE,
    Verdict.IMPROVED: Tone.BETTER,
    Verdict.INCONCLUSIVE: Tone.UNDECIDED,
    Verdict.NO_DATA: Tone.MISSING,
    Verdict.EQUIVALENT: Tone.QUIET,
}


def comparison_rows(pairs: Iterable[tuple[str, Comparison]]) -> tuple[Row, ...]:
    """Return comparisons as rows: metric, base, new, change, p, trials and verdict, with intervals as details.

    Args:
        pairs: comparisons in order, each with the name of its group.
    """
    return tuple(Row(group, comparison_cells(comparison)) for group, comparison in pairs)


def comparison_cells(comparison: Comparison) -> tuple[Cell, ...]:
    """Return the cells of a comparison."""
    tone = TONES[comparison.verdict]
    change, interval = words.effect_texts(comparison)
    return (
        Cell(words.name_text(comparison)),
        estimate_cell(comparison, comparison.base_estimate),
        estimate_cell(comparison, comparison.new_estimate),
        Cell(f"{change}{MARK if words.is_marked(comparison) else ''}", interval, tone),
        Cell(words.p_text(comparison.adjusted_p)),
        Cell(words.trials_text(comparison), tone=Tone.QUIET),
        Cell(words.verdict_text(comparison), tone=tone),
    )


def mark_notes(comparisons: Iterable[Comparison]) -> list[str]:
    """Return what marked changes are, if there are any."""
    marked = ((comparison.kind, comparison.paired) for comparison in comparisons if words.is_marked(comparison))
    return list(filter(None, [mark_note(marked)]))


def estimate_cell(comparison: Comparison, estimate: Estimate | None) -> Cell:
    """Return an arm's median with its interval."""
    interval = interval_text(find_metric(comparison.metric), estimate) if estimate else ""
    return Cell(words.estimate_text(comparison, estimate), interval)
