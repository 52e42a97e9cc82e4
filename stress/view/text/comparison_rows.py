# SPDX-License-Identifier: MIT
"""Comparisons as a table, built once for the terminal and for Markdown."""

from collections.abc import Iterable, Sequence

from stress.analysis.comparison.verdict import Comparison, Unit, Verdict
from stress.analysis.metric import find_metric
from stress.analysis.statistics.trials import Estimate
from stress.model.text import join_words
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


def units_text(comparisons: Sequence[Comparison]) -> str:
    """Return what medians are over: ``'14 trials'``, ``'sessions or trials'`` where the rows differ."""
    units = dict.fromkeys(comparison.unit for comparison in comparisons)
    numbers = {words.trials_text(comparison) for comparison in comparisons}
    what = " or ".join(dict.fromkeys(f"{words.UNIT_WORDS[unit]}s" for unit in units))
    if len(numbers) > 1:
        return what
    return " ".join(numbers) if Unit.SESSION in units else f"{numbers.pop()} {what}"


def more_notes(comparisons: Iterable[Comparison]) -> list[str]:
    """Return what the numbers of further trials and sessions in a table mean, if there are any."""
    more = [comparison for comparison in comparisons if comparison.more_trials]
    if not more:
        return []
    counted = list(dict.fromkeys(f"+N {words.UNIT_WORDS[comparison.unit]}s" for comparison in more))
    of_new = {words.adds_to_new_alone(comparison.unit, comparison.base_estimate) for comparison in more}
    arms = " of new" if of_new == {True} else " of each arm" if of_new == {False} else ""
    return [f"{' or '.join(counted)}: so many more{arms} would probably decide, if the change is what it looks like."]


def held_notes(comparisons: Iterable[Comparison]) -> list[str]:
    """Return why comparisons are inconclusive whatever their numbers are: ``'Inconclusive (one session each): rate.'``.

    A reason that holds in several rows says in how many.
    """
    by_reason: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        if comparison.held_back is not None and comparison.verdict is Verdict.INCONCLUSIVE:
            by_reason.setdefault(comparison.held_back, []).append(comparison)
    notes = []
    for reason, held in by_reason.items():
        names = join_words(list(dict.fromkeys(map(words.name_text, held))))
        rows = len({comparison.row for comparison in held})
        notes.append(f"Inconclusive ({reason}): {names}{f' in {rows:,} rows' if rows > 1 else ''}.")
    return notes


def estimate_cell(comparison: Comparison, estimate: Estimate | None) -> Cell:
    """Return an arm's median with its interval."""
    interval = interval_text(find_metric(comparison.metric), estimate) if estimate else ""
    return Cell(words.estimate_text(comparison, estimate), interval)
