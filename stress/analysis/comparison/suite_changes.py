# SPDX-License-Identifier: MIT
"""What the cells of a suite changed against their baselines, and which of them changed nothing surely."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stress.analysis.comparison.axis_points import baseline_of, cells_by_entry, differing_levels
from stress.analysis.comparison.suite_comparison import SuiteComparison
from stress.analysis.comparison.verdict import ALPHA
from stress.analysis.metric import Metric
from stress.analysis.statistics.power import smallest_p
from stress.analysis.statistics.trials import (
    CellTrials,
    Effect,
    Estimate,
    estimate_cell,
)


@dataclass(frozen=True)
class MetricChange:
    """A metric of a cell compared with the baseline of its entry.

    Attributes:
        metric: the one compared.
        base: median of the baseline, in the metric's unit.
        new: the cell's median with its interval.
        effect: of the cell.
    """

    metric: Metric
    base: float
    new: Estimate
    effect: Effect

    @property
    def size(self) -> float:
        """How large the change is, the logarithm of a ratio; of counts from zero, as if one had been there."""
        if self.effect.kind == "ratio":
            return abs(math.log(self.effect.value)) if self.effect.value > 0 else 0.0
        return abs(math.log((max(self.base + self.effect.value, 0) + 1) / (self.base + 1)))


@dataclass(frozen=True)
class CellChanges:
    """A cell that is not a baseline.

    Attributes:
        entry: the label of its entry.
        levels: what differs from the baseline, by axis.
        compared: every metric that could be compared.
    """

    entry: str
    levels: Mapping[str, str]
    compared: tuple[MetricChange, ...]

    @property
    def changed(self) -> list[MetricChange]:
        """The metrics that changed, the largest change first."""
        return sorted((change for change in self.compared if change.effect.changes), key=lambda change: -change.size)

    @property
    def is_sure(self) -> bool:
        """Whether a metric has enough trials for a statement, if only together with others that change as well."""
        return any(smallest_p(change.effect.trials, paired=True) <= ALPHA for change in self.compared)


def cell_changes(
    cells: Sequence[CellTrials], metrics: Sequence[Metric], compared: SuiteComparison
) -> list[CellChanges]:
    """Return what each cell that is not a baseline changed, entry by entry."""
    rows = []
    for label, entry in cells_by_entry(cells).items():
        baseline = baseline_of(entry)
        for trials in entry:
            if trials is baseline or baseline is None:
                continue
            changes = []
            for metric in metrics:
                base, new = estimate_cell(baseline, metric), estimate_cell(trials, metric)
                effect = compared.effects.get((trials.cell.name, metric.name))
                if base and new and effect:
                    changes.append(MetricChange(metric, base.median, new, effect))
            rows.append(CellChanges(label, differing_levels(trials, baseline), tuple(changes)))
    return rows
