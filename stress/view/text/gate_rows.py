# SPDX-License-Identifier: MIT
"""Results of gate conditions as a table, built once for the terminal and for Markdown."""

from collections.abc import Iterable

from stress.analysis.gate.result import ConditionResult, State
from stress.model.text import plural
from stress.view.text import gate_wording as words
from stress.view.text.breaking_wording import new_value_texts
from stress.view.text.change_mark import MARK
from stress.view.text.comparison_wording import p_text
from stress.view.text.table import Cell, Row, Tone

TONES = {
    State.BROKEN: Tone.WORSE,
    State.NO_DATA: Tone.MISSING,
    State.NO_BASELINE: Tone.MISSING,
    State.INCONCLUSIVE: Tone.UNDECIDED,
    State.HOLDS: Tone.HOLDS,
}


def change_cell(result: ConditionResult) -> Cell:
    """Return a change with its interval, marked where it is not the one between the medians."""
    change, interval = words.effect_texts(result)
    return Cell(f"{change}{MARK if words.is_marked(result) else ''}", interval)


def new_cell(result: ConditionResult) -> Cell:
    """Return the median of the new trials; where some break an absolute condition, the values of these."""
    if (texts := new_value_texts(result)) is not None:
        return Cell(*texts)
    if result.absent:
        have = f"{result.planned - len(result.absent)} of {plural(result.planned, 'trial')}"
        return Cell(words.estimate_text(result, result.new), have)
    return Cell(words.estimate_text(result, result.new))


def gate_rows(results: Iterable[ConditionResult]) -> tuple[Row, ...]:
    """Return results by severity, grouped by condition: row, base, new, change, p and state."""
    return tuple(
        Row(
            str(result.condition),
            (
                Cell(result.row),
                Cell(words.estimate_text(result, result.base)),
                new_cell(result),
                change_cell(result),
                Cell("" if result.adjusted_p is None else p_text(result.adjusted_p)),
                Cell(words.state_text(result), tone=TONES[result.state]),
            ),
        )
        for result in words.order_results(results)
    )
