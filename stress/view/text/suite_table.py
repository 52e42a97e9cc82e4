# SPDX-License-Identifier: MIT
"""A suite as a table: one row per cell, its medians over trials, and what changes against the baseline."""

from collections.abc import Sequence
from itertools import groupby

from rich.console import Group
from rich.text import Text

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.comparison.axis_points import baseline_of, cells_by_entry
from stress.analysis.comparison.suite_comparison import SuiteComparison, compare_cells
from stress.analysis.metric import METRICS, Metric, find_metric
from stress.analysis.statistics.trials import (
    CellTrials,
    Effect,
    better_or_worse,
    estimate_cell,
    values_by_block,
)
from stress.model.outcome import Cause
from stress.view.text import metric_wording as words
from stress.view.text.busy_wording import busy_text
from stress.view.text.rich_table import STYLES, TITLE
from stress.view.text.row_table import QUIET, Line, RowTable, Section
from stress.view.text.suite_rows import SuiteRow, change_cell, link_notes, suite_rows
from stress.view.text.survey_wording import CHANGE_TEXT, least_text, survey_sentences
from stress.view.text.table import Cell, Tone
from stress.view.text.unprofiled_wording import unprofiled_line

INDENT = 2  # columns: of a cell below its scenario, and of its causes below that


def suite_table(cells: Sequence[CellTrials], headline: Sequence[str] = words.HEADLINE) -> Group:
    """Return a table of cells by entry, followed by notes and failures.

    Args:
        cells: of one suite, each entry's baseline among them where it has one.
        headline: the metrics that get a column.

    Raises:
        UsageError: there is no such metric.
    """
    metrics = [find_metric(name) for name in headline]
    compared = compare_cells(cells, metrics)
    rows = suite_rows(cells, metrics, compared)
    sections = [
        Section(Text(label, style=TITLE), [cell_line(row, metrics) for row in entry])
        for label, entry in groupby(rows, key=lambda row: row.entry)
    ]
    heads = ["scenario\n  setting\n    causes", "\ntrials\nbooks", *map(heading, metrics)]
    table = RowTable([*map(Text, heads)], [False, False, *(True for _ in metrics)], sections)
    across = [Text(line, style=QUIET) for line in link_notes(cells)]
    return Group(Text(), table, Text(), *notes(cells, compared), *across, *failures(cells))


def cell_line(row: SuiteRow, metrics: Sequence[Metric]) -> Line:
    """Return a cell as a row; one that was not run has no values."""
    setting = setting_cell(row.trials, row.baseline)
    if row.trials.not_applicable is not None:
        return Line([setting, Text("–", style=QUIET), *(Text() for _ in metrics)])
    values = (value_cell(*parts) for parts in zip(row.values, metrics, row.effects, strict=True))
    return Line([setting, trials_cell(row.trials), *values])


def heading(metric: Metric) -> str:
    """Return the head of a metric's column, in three lines to keep it narrow."""
    words_of = words.name_text(metric).replace(" per ", "\nper ").replace("body ", "body\n")
    return "\n" * (2 - words_of.count("\n")) + words_of


def cause_texts(trials: CellTrials) -> list[str]:
    """Return the causes of what was slow or failed, each with its median count: ``'500 closewait'``.

    A cause that most trials do not have is given with the highest count it had: ``'0–3 unknown'``.
    """
    texts = []
    for cause in CAUSES:
        counts = METRICS[f"cause.{cause}"]
        estimate = estimate_cell(trials, counts)
        most = max(values_by_block(trials, counts).values(), default=0)
        if cause is not Cause.NONE and estimate and most:
            number = f"{estimate.median:,.0f}" if estimate.median else f"0–{most:,.0f}"
            texts.append(f"{number} {cause.replace('_', ' ')}")
    return texts


def setting_cell(trials: CellTrials, baseline: CellTrials | None) -> Text:
    """Return the setting of a cell, and below it the causes, or the reason that it was not run."""
    absent = trials.not_applicable
    style = QUIET if absent is not None else "bold" if trials.cell.baseline else ""
    below = cause_texts(trials) if absent is None else [f"not applicable: {absent}"]
    setting = Text(f"{' ' * INDENT}{words.setting_text(trials, baseline)}", style=style)
    return Text("\n").join([setting, *(Text(f"{' ' * 2 * INDENT}{line}", style=QUIET) for line in below)])


def trials_cell(trials: CellTrials) -> Text:
    """Return the numbers of trials that are done, that are not, and whose books do not balance."""
    done = len(trials.done)
    lost = sum(trials.absent.values())
    if not done and lost == trials.missing:
        return Text("not run", style=QUIET)
    lines = [Text(f"{done} of {done + lost}" if lost else f"{done}")]
    lines += [Text(f"{count} {what}", style="bold red") for what, count in trials.absent.items()]
    if trials.busy and trials.cell.measures:
        lines.append(Text(f"{len(trials.busy)} busy", style=STYLES[Tone.UNDECIDED]))
    if done:
        unbalanced = values_by_block(trials, METRICS["unbalanced"])
        wrong = sum(value > 0 for value in unbalanced.values())
        fine = Text("balanced", style="green") if unbalanced else Text("no books", style=QUIET)
        lines.append(Text(f"{wrong} unbal.", style="bold red") if wrong else fine)
    return Text("\n").join(lines)


def value_cell(value: Cell, metric: Metric, effect: Effect | None) -> Text:
    """Return a metric's median, its interval, and its change against the baseline, one below the other."""
    lines = [Text(value.text, style=STYLES[value.tone])]
    if value.detail:
        lines.append(Text(value.detail, style=QUIET))
    change = change_cell(effect, metric)
    if effect is not None and change is not None:
        style = STYLES[change.tone]
        lines[0] = Text(f"{words.arrow_text(effect)} {value.text}", style=style)
        lines.append(Text(f"{change.text} {better_or_worse(effect, metric) or ''}".rstrip(), style=style))
    return Text("\n").join(lines)


def notes(cells: Sequence[CellTrials], compared: SuiteComparison) -> list[Text]:
    """Return how to read the table."""
    lines = [f"{busy[0].upper()}{busy[1:]}."] if (busy := busy_text(cells)) else []
    levels = sorted(errors.level for trials in cells if (errors := estimate_cell(trials, METRICS["errors"])))
    if levels and not levels[-1]:
        lines.append("Single trials: how far others would differ is not known.")
    elif levels:
        how_sure = words.span_text([words.percent_text(level) for level in levels])
        lines.append(f"Median over trials; below it the interval that holds the true one, with {how_sure} confidence.")
    if unprofiled := unprofiled_line(cells):
        lines.append(unprofiled)
    if compared.comparisons:
        lines.append(f"{words.RISE} {words.FALL} changes by {least_text()}, {CHANGE_TEXT}.")
        lines += survey_sentences(compared)
    return [Text(line, style=QUIET) for line in lines]


def failures(cells: Sequence[CellTrials]) -> list[Text]:
    """Return why trials failed, and which were interrupted: one line per cell and reason."""
    lines = []
    for label, entry in cells_by_entry(cells).items():
        for trials in entry:
            setting = words.setting_text(trials, baseline_of(entry))
            for what, reasons in (("failed", trials.failed), ("interrupted", trials.interrupted)):
                for reason in dict.fromkeys(reasons.values()):
                    blocks = [str(block) for block, why in sorted(reasons.items()) if why == reason]
                    where = f"block{'s' if blocks[1:] else ''} {', '.join(blocks)}"
                    lines.append(Text(f"{what}: {label}, {setting}, {where}: {reason}", style="red"))
    return lines
