# SPDX-License-Identifier: MIT
"""What a suite says in a sentence: which settings changed something, and what; needs neither matplotlib nor rich."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stress.analysis.comparison.suite_changes import cell_changes
from stress.analysis.comparison.suite_comparison import compare_cells
from stress.analysis.comparison.verdict import ALPHA
from stress.analysis.metric import Metric, find_metric
from stress.analysis.statistics.power import least_trials, smallest_p
from stress.analysis.statistics.trials import THRESHOLD, CellTrials, Effect, better_or_worse
from stress.model.text import join_words, plural
from stress.view.text import metric_wording as words
from stress.view.text.change_wording import change_phrase, changes_headline
from stress.view.text.suite_causes import causes_text
from stress.view.text.suite_rows import SuiteRow, suite_rows
from stress.view.text.survey_wording import limits_text

NAMED_MAX = 3  # cells that the sentence names


@dataclass(frozen=True)
class ChangedCell:
    """A cell that differs from its baseline, with the metrics that changed."""

    row: SuiteRow
    changes: tuple[tuple[Metric, Effect], ...]

    @property
    def is_worse(self) -> bool:
        """Whether some metric is worse."""
        return any(better_or_worse(effect, metric) == "worse" for metric, effect in self.changes)

    @property
    def name(self) -> str:
        """The setting, with its entry."""
        return f"{words.setting_text(self.row.trials, self.row.baseline)} of {self.row.entry}"


def compared_rows(cells: Sequence[CellTrials], names: Sequence[str] = words.PICTURED) -> list[SuiteRow]:
    """Return the rows that are compared with a baseline in at least one metric."""
    metrics = [find_metric(name) for name in names]
    rows = suite_rows(cells, metrics, compare_cells(cells, metrics))
    return [row for row in rows if any(effect is not None for effect in row.effects)]


def changed_cells(rows: Iterable[SuiteRow], names: Sequence[str] = words.PICTURED) -> list[ChangedCell]:
    """Return the rows in which something changed, those where something is worse first."""
    metrics = [find_metric(name) for name in names]
    changed = []
    for row in rows:
        pairs = zip(metrics, row.effects, strict=True)
        if changes := tuple((metric, effect) for metric, effect in pairs if effect is not None and effect.changes):
            changed.append(ChangedCell(row, changes))
    return sorted(changed, key=lambda cell: (not cell.is_worse, -len(cell.changes)))


def suite_headline(cells: Sequence[CellTrials]) -> str:
    """Return what a suite found, without a full stop."""
    rows = compared_rows(cells)
    done = sum(len(trials.done) for trials in cells)
    if not done:
        return "No trial was done"
    if not rows:
        return f"{plural(done, 'trial')} of {plural(len(cells), 'cell')}; {causes_text(cells)}"
    changed = changed_cells(rows)
    blocks = max(effect.trials for row in rows for effect in row.effects if effect is not None)
    if smallest_p(blocks, paired=True) > ALPHA:
        needed = least_trials(ALPHA, paired=True)
        return f"Too few trials to be sure of any change: a cell and its baseline need {needed} that both have done"
    compared = compare_cells(cells)
    few = limits_text(compared)
    if not changed and few:
        return f"No cell changed anything surely, but {few}"
    if not changed:
        least = words.percent_text(THRESHOLD)
        return f"No cell changed anything surely: 0 of {len(rows):,} differ by {least} or more from their baseline"
    metrics = [find_metric(name) for name in words.PICTURED]
    return changes_headline(cell_changes(cells, metrics, compared))


def change_sentences(cells: Sequence[CellTrials]) -> list[str]:
    """Return a sentence for each of the first changed cells, and one for the rest."""
    rows = compared_rows(cells)
    changed = changed_cells(rows)
    texts = [f"{cell.name}: {join_words([change_phrase(*pair) for pair in cell.changes])}." for cell in changed]
    same = len(rows) - len(changed)
    if same and changed:
        texts[NAMED_MAX:] = []
        least = words.percent_text(THRESHOLD)
        texts.append(f"{plural(same, 'other cell')}: no change that is sure and {least} or more.")
    return texts
