# SPDX-License-Identifier: MIT
"""A suite as a Markdown table, for documentation and pull requests."""

from collections.abc import Sequence

from stress.analysis.comparison.axis_points import differing_levels
from stress.analysis.comparison.suite_comparison import SuiteComparison, compare_cells
from stress.analysis.metric import Metric, find_metric
from stress.analysis.statistics.trials import CellTrials, better_or_worse
from stress.model.text import plural
from stress.view.text import metric_wording as words
from stress.view.text.markdown import escape_pipes, markdown_table
from stress.view.text.suite_rows import SuiteRow, change_cell, link_notes, suite_rows
from stress.view.text.survey_wording import CHANGE_TEXT, least_text, survey_sentences
from stress.view.text.table import Cell, Column, Row, Table
from stress.view.text.unprofiled_wording import unprofiled_line


def suite_markdown(cells: Sequence[CellTrials], headline: Sequence[str] = words.PICTURED) -> str:
    """Return a Markdown table of cells by entry: medians with their intervals, and the changes in words.

    Raises:
        UsageError: there is no such metric.
    """
    metrics = [find_metric(name) for name in headline]
    columns = (
        *(Column(head) for head in ("scenario", "setting", "value")),
        *(Column(words.name_text(metric), is_number=True) for metric in metrics),
        Column("changes"),
    )
    compared = compare_cells(cells, metrics)
    rows = tuple(full_row(row, metrics) for row in suite_rows(cells, metrics, compared))
    lines = (*survey_notes(compared), *link_notes(cells), unprofiled_line(cells))
    notes = "".join(f"\n{line}\n" for line in lines if line)
    return f"{markdown_table(Table(columns, rows), escape_pipes)}\n{notes}"


def survey_notes(compared: SuiteComparison) -> list[str]:
    """Return how to read the changes, if anything was compared."""
    if not survey_sentences(compared):
        return []
    return [" ".join([f"Changes are those by {least_text()}, {CHANGE_TEXT}.", *survey_sentences(compared)])]


def full_row(row: SuiteRow, metrics: Sequence[Metric]) -> Row:
    """Return a row for Markdown: the entry, what differs from its baseline, the values, and remarks."""
    setting, value = setting_and_value(row.trials, row.baseline)
    remarks = "; ".join(remark_texts(row, metrics))
    return Row(row.entry, (Cell(row.entry), Cell(setting), Cell(value), *row.values, Cell(remarks)))


def setting_and_value(trials: CellTrials, baseline: CellTrials | None) -> tuple[str, str]:
    """Return which settings differ from the baseline and their values, in the same order."""
    apart = differing_levels(trials, baseline)
    if trials.cell.baseline or not apart:
        return words.setting_text(trials, baseline), ""
    return ", ".join(f"`{words.axis_text(axis)}`" for axis in apart), ", ".join(apart.values())


def remark_texts(row: SuiteRow, metrics: Sequence[Metric]) -> list[str]:
    """Return the changes of metrics against the baseline, and the reasons of failed trials."""
    trials = row.trials
    if trials.not_applicable is not None:
        return [f"not applicable: {trials.not_applicable}"]
    texts = []
    for metric, effect in zip(metrics, row.effects, strict=True):
        change = change_cell(effect, metric)
        if effect is not None and change is not None:
            direction = better_or_worse(effect, metric)
            text = f"{words.arrow_text(effect)} {words.name_text(metric)} {change}"
            texts.append(f"{text}, {direction}" if direction else text)
    planned = plural(sum(trials.absent.values()) + len(trials.done), "trial")
    reasons = {"failed": trials.failed, "interrupted": trials.interrupted}
    for what, count in trials.absent.items():
        why = ", ".join(dict.fromkeys(reasons.get(what, {}).values()))
        texts.append(f"{count} of {planned} {what}{why and ': '}{why}")
    if trials.busy and trials.cell.measures:
        texts.append(f"the machine was busy in {len(trials.busy)} of {plural(len(trials.done), 'trial')}")
    return texts
