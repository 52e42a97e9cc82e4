# SPDX-License-Identifier: MIT
"""Results of gate conditions as a table, built once for the terminal and for Markdown."""

from collections.abc import Iterable

from stress.analysis.gate.result import ConditionResult, State
from stress.view.text import gate_wording as words
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


def gate_rows(results: Iterable[ConditionResult]) -> tuple[Row, ...]:
    """Return results by severity, grouped by condition: row, base, new, change, p and state."""
    return tuple(
        Row(
            str(result.condition),
            (
                Cell(result.row),
                Cell(words.estimate_text(result, result.base)),
                Cell(words.estimate_text(result, result.new)),
                change_cell(result),
                Cell("" if result.adjusted_p is None else p_text(result.adjusted_p)),
                Cell(words.state_text(result), tone=TONES[result.state]),
            ),
        )
        for result in words.order_results(results)
    )
