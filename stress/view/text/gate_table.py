# SPDX-License-Identifier: MIT
"""The results of a gate as tables for a terminal, and of its self-test."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from stress.analysis.gate.result import ConditionResult, State
from stress.analysis.gate.self_test import InjectedRegression
from stress.analysis.metric import find_metric
from stress.analysis.statistics.trials import TIMED_UNITS
from stress.model.text import plural
from stress.view.text import gate_wording as words
from stress.view.text import metric_wording
from stress.view.text.breaking_wording import why_lines
from stress.view.text.comparison_wording import p_text
from stress.view.text.gate_rows import gate_rows
from stress.view.text.rich_table import Widest, empty_table, grouped_table
from stress.view.text.row_table import QUIET
from stress.view.text.table import Cell, Column, Row, Table

NUMBERS = ("\nbase", "\nnew", "\nchange", "p,\ncorrected")
COLUMNS = (Column("condition\n  row"), *(Column(head, is_number=True) for head in NUMBERS), Column(""))


def table(results: Sequence[ConditionResult], allowed: Sequence[str] = ()) -> RenderableType:
    """Return a summary, and one line per result grouped by condition, those that do not hold first.

    Args:
        results: of all conditions.
        allowed: what was wrong, and was allowed.
    """
    is_broken = any(result.state is State.BROKEN for result in results)
    rows = Table(COLUMNS, tuple(map(indented_row, gate_rows(results))))
    return Group(
        Text(words.summary(results), style="bold red" if is_broken else "bold"),
        Text(),
        Widest([grouped_table(rows), grouped_table(rows, is_tall=True)]),
        Text(),
        *map(Text, why_lines(results)),
        *([Text(words.allowed_text(allowed), style="yellow")] if allowed else []),
        *(Text(note, style=QUIET) for note in words.notes(results)),
    )


def indented_row(row: Row) -> Row:
    """Return a row for a terminal: below its condition, and with an empty cell where there is no baseline."""
    name, base, *cells = row.cells
    return Row(row.group, (Cell(f"  {name.text or 'all'}"), base if base.text != words.NO_VALUE else Cell(""), *cells))


def self_test_table(regressions: Sequence[InjectedRegression]) -> RenderableType:
    """Return which regressions, injected into copies of the data, the gate detected."""
    made = empty_table()
    made.add_column("condition")
    made.add_column("row")
    made.add_column("put in", justify="right")
    made.add_column("p, as one of all", justify="right")
    made.add_column("")
    for regression in regressions:
        result = regression.result
        made.add_row(
            Text(str(result.condition)),
            Text(result.row),
            injected_text(regression),
            "" if result.adjusted_p is None else p_text(result.adjusted_p),
            Text("found", style="green") if regression.is_detected else Text("not found", style="bold red"),
        )
    return Group(Text(self_test_sentence(regressions), style="bold"), made)


def injected_text(injected: InjectedRegression) -> str:
    """Return the injected regression: a change, or a value for an absolute condition."""
    measured = find_metric(injected.result.condition.metric)
    value = injected.injected
    if injected.result.condition.kind == "absolute":
        return metric_wording.value_text(measured, value)
    if measured.unit in TIMED_UNITS:
        return metric_wording.ratio_text(value)
    return f"{'+' if value >= 0 else metric_wording.MINUS}{metric_wording.count_text(abs(value))}"


def self_test_sentence(regressions: Sequence[InjectedRegression]) -> str:
    """Return in one sentence whether the gate detects injected regressions."""
    lost = sum(not regression.is_detected for regression in regressions)
    if not lost:
        if len(regressions) == 1:
            return "The regression that was put into a copy of the data was found."
        return f"Each of {len(regressions)} regressions that were put into copies of the data was found."
    verb = "was" if lost == 1 else "were"
    return (
        f"{lost} of {plural(len(regressions), 'regression')} put into copies of the data {verb} not found: there are "
        "too few trials for this machine's noise and this many conditions."
    )
