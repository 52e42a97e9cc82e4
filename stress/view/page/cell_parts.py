# SPDX-License-Identifier: MIT
"""The cells of a suite in a page: their table, and the figures of each."""

from collections.abc import Sequence

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.comparison.suite_comparison import compare_cells
from stress.analysis.metric import METRICS, Metric, find_metric
from stress.analysis.statistics.trials import CellTrials, Effect, better_or_worse, estimate_cell, values_by_block
from stress.model.outcome import Cause
from stress.view.page.document import Fact, Figures, PageCell, PageColumn, PageTable
from stress.view.text import metric_wording as words
from stress.view.text.suite_rows import SuiteRow, suite_rows
from stress.view.text.survey_wording import survey_sentences
from stress.view.text.table import Tone

TONES = {"worse": Tone.WORSE, "better": Tone.BETTER, None: Tone.STRONG}
READING = (
    "Medians over trials, each with the interval that holds the true one. Body: attempts that connected at once; "
    "whatever waited for a SYN sent again, or failed, is in the counts."
)
FIGURES_OF = ("rate", "body.p50", "body.p90", "body.p99", "body.p999", "body.max", "duration")


def cells_table(cells: Sequence[CellTrials]) -> PageTable:
    """Return one row per cell, with its medians and what changed against the baseline."""
    metrics = [find_metric(name) for name in words.HEADLINE]
    columns = (
        PageColumn("scenario"),
        PageColumn("setting"),
        PageColumn("trials", is_number=True),
        PageColumn("books"),
        *(PageColumn(words.name_text(metric), is_number=True) for metric in metrics),
        PageColumn("causes"),
    )
    compared = compare_cells(cells, metrics)
    rows = tuple(row_cells(row, metrics) for row in suite_rows(cells, metrics, compared))
    note = (
        "Medians over trials; below, the interval of the median and, where a value changed surely, its change against "
        f"the baseline: {words.RISE} higher, {words.FALL} lower."
    )
    note = " ".join([note, *survey_sentences(compared)])
    return PageTable("cells", "Every cell of the suite", columns, rows, (note,), is_sortable=True)


def row_cells(row: SuiteRow, metrics: Sequence[Metric]) -> tuple[PageCell, ...]:
    """Return the row of a cell."""
    trials = row.trials
    setting = words.setting_text(trials, row.baseline)
    done, lost = len(trials.done), sum(trials.absent.values())
    unbalanced = values_by_block(trials, METRICS["unbalanced"])
    wrong = sum(value > 0 for value in unbalanced.values())
    books = PageCell("=\N{NO-BREAK SPACE}balanced", order=0, tone=Tone.HOLDS)
    if wrong:
        books = PageCell(f"≠ in {wrong}", order=wrong, tone=Tone.WORSE)
    causes = cause_text(trials) if trials.not_applicable is None else f"not applicable: {trials.not_applicable}"
    return (
        PageCell(row.entry, order=row.entry),
        PageCell(setting, order=setting, tone=Tone.STRONG if trials.cell.baseline else Tone.PLAIN),
        PageCell(
            f"{done} of {done + lost}" if lost else f"{done}", order=done, tone=Tone.WORSE if lost else Tone.PLAIN
        ),
        books if unbalanced else PageCell("–"),
        *(value_cell(trials, metric, effect) for metric, effect in zip(metrics, row.effects, strict=True)),
        PageCell(causes, order=causes),
    )


def value_cell(trials: CellTrials, metric: Metric, effect: Effect | None) -> PageCell:
    """Return a metric's median with its interval, and its change where there is one."""
    estimate = estimate_cell(trials, metric)
    if estimate is None:
        return PageCell("–", tone=Tone.QUIET)
    text, interval = words.value_text(metric, estimate.median), words.interval_text(metric, estimate)
    if effect is None or not effect.changes:
        return PageCell(text, interval, order=estimate.median)
    direction = better_or_worse(effect, metric)
    change = " ".join(filter(None, (words.change_text(effect, effect.value), direction)))
    detail = "; ".join(filter(None, (interval, change)))
    return PageCell(text, detail, order=estimate.median, tone=TONES[direction], mark=words.arrow_text(effect))


def cause_text(trials: CellTrials) -> str:
    """Return the median count of each cause, the highest first."""
    counts = []
    for cause in CAUSES:
        values = values_by_block(trials, METRICS[f"cause.{cause}"])
        estimate = estimate_cell(trials, METRICS[f"cause.{cause}"])
        if cause is not Cause.NONE and estimate and max(values.values()):
            number = f"{estimate.median:,.0f}" if estimate.median else f"0–{max(values.values()):,.0f}"
            counts.append((-estimate.median, f"{number} {cause.replace('_', ' ')}"))
    return ", ".join(text for _, text in sorted(counts)) or "none"


def cell_figures(row: SuiteRow) -> Figures:
    """Return the percentiles, rates and counts of a cell."""
    facts = [estimate_fact(row.trials, METRICS[name], name) for name in FIGURES_OF]
    counted = (name for name in METRICS if name.startswith(("outcome.", "cause.")))
    facts += [
        estimate_fact(row.trials, METRICS[name], name)
        for name in counted
        if any(values_by_block(row.trials, METRICS[name]).values())
    ]
    return Figures(cell_title(row), tuple(facts), READING)


def estimate_fact(trials: CellTrials, metric: Metric, name: str) -> Fact:
    """Return a metric's median with its interval."""
    estimate = estimate_cell(trials, metric)
    if estimate is None:
        return Fact(name.replace(".", " ").replace("_", " "), "–")
    interval = words.interval_text(metric, estimate)
    text = words.value_text(metric, estimate.median) + ("/s" if metric.unit == "/s" else "")
    return Fact(name.replace(".", " ").replace("_", " "), f"{text} ({interval})" if interval else text)


def cell_title(row: SuiteRow) -> str:
    """Return a cell by its entry and what it changes."""
    setting = words.setting_text(row.trials, row.baseline)
    return row.entry if row.trials.cell.baseline or not row.trials.cell.levels else f"{row.entry}, {setting}"
