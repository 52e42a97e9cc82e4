# SPDX-License-Identifier: MIT
"""The cells of a suite as rows, built once for the terminal and for Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from stress.analysis.comparison.axis_points import baseline_of, cells_by_entry
from stress.analysis.comparison.suite_comparison import SuiteComparison
from stress.analysis.metric import Metric
from stress.analysis.statistics.trials import CellTrials, Effect, better_or_worse, estimate_cell
from stress.model.link import LINK, link_text
from stress.view.text import metric_wording as words
from stress.view.text.table import Cell, Tone

PACED = "The storm was paced"  # a warning of a run whose rate the other host limits
TONES = {"better": Tone.BETTER, "worse": Tone.WORSE, None: Tone.STRONG}


@dataclass(frozen=True)
class SuiteRow:
    """A cell of a suite.

    Attributes:
        entry: the label of its entry.
        trials: of the cell.
        baseline: the entry's baseline, which may be these trials; None if the entry has none.
        values: the median of each metric, with its interval as detail.
        effects: the change of each metric against the baseline; None without data or baseline.
    """

    entry: str
    trials: CellTrials
    baseline: CellTrials | None
    values: tuple[Cell, ...]
    effects: tuple[Effect | None, ...]


def suite_rows(
    cells: Sequence[CellTrials], metrics: Sequence[Metric] = (), compared: SuiteComparison | None = None
) -> list[SuiteRow]:
    """Return the rows of cells, entry by entry.

    Args:
        cells: of one suite.
        metrics: those that are shown.
        compared: the cells in these metrics; None where only the rows matter.
    """
    effects = compared.effects if compared is not None else {}
    rows = []
    for label, entry in cells_by_entry(cells).items():
        baseline = baseline_of(entry)
        for trials in entry:
            changes = tuple(effects.get((trials.cell.name, metric.name)) for metric in metrics)
            values = tuple(median_cell(trials, metric) for metric in metrics)
            rows.append(SuiteRow(label, trials, baseline, values, changes))
    return rows


def link_notes(cells: Sequence[CellTrials]) -> list[str]:
    """Return what else differs between cells across a link to another host and the others, and how these were paced."""
    across = {
        str(trials.cell.levels.get(LINK, link_text(trials.cell.plan))): trials
        for trials in cells
        if trials.cell.plan.peers
    }
    if not across:
        return []
    lines = [
        f"With {LINK}={name} client and server are hosts with network stacks, settings and traffic of their own."
        for name in across
    ]
    if any(not trials.cell.plan.host for trials in cells):
        lines[-1] += " The other cells run in private namespaces, which have the settings of the suite."
    warnings = (
        text for trials in cells if trials.cell.plan.peers for done in trials.done.values() for text in done.warnings
    )
    return lines + [text for text in dict.fromkeys(warnings) if text.startswith(PACED)]


def median_cell(trials: CellTrials, metric: Metric) -> Cell:
    """Return a metric's median with its interval: ``'11.2 µs (10.5–12 µs)'``."""
    estimate = estimate_cell(trials, metric)
    if estimate is None:
        return Cell("–", tone=Tone.QUIET)
    return Cell(words.value_text(metric, estimate.median), words.interval_text(metric, estimate))


def change_cell(effect: Effect | None, metric: Metric) -> Cell | None:
    """Return a change with its interval, its tone that of its direction; None if it is no change."""
    if effect is None or not effect.changes:
        return None
    text, interval = words.change_text(effect, effect.value), words.change_interval_text(effect)
    return Cell(text, interval, TONES[better_or_worse(effect, metric)])
