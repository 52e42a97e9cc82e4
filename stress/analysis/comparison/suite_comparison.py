# SPDX-License-Identifier: MIT
"""The cells of a suite compared with their baselines, by the rule of all comparisons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from stress.analysis.comparison.axis_points import baseline_of, cells_by_entry
from stress.analysis.comparison.change import effect_of
from stress.analysis.comparison.compare import compare_values, decide, default_threshold
from stress.analysis.comparison.metric_family import GATING_METRICS, SURVEYED_METRICS
from stress.analysis.comparison.quiet import busy_cells
from stress.analysis.comparison.verdict import Comparison, Unit
from stress.analysis.metric import Metric, find_metric
from stress.analysis.statistics.trials import CellTrials, Effect, median_interval, values_by_block
from stress.model.suite import ARM
from stress.model.units import MILLION


@dataclass(frozen=True)
class SuiteComparison:
    """What was compared in a suite.

    Attributes:
        comparisons: decided together.
    """

    comparisons: tuple[Comparison, ...]

    @cached_property
    def effects(self) -> Mapping[tuple[str, str], Effect]:
        """The change of each cell against its baseline, by the names of the cell and of the metric."""
        changes = {(comparison.new, comparison.metric): effect_of(comparison) for comparison in self.comparisons}
        return {key: effect for key, effect in changes.items() if effect is not None}

    @property
    def tests(self) -> int:
        """How many p-values were corrected together, of comparisons that only explore."""
        return sum(comparison.p is not None and not comparison.gating for comparison in self.comparisons)

    @property
    def gating(self) -> int:
        """How many were, of comparisons that gate: those of the arms of a suite."""
        return sum(comparison.p is not None and comparison.gating for comparison in self.comparisons)

    @property
    def blocks(self) -> int:
        """The largest number of trials that two cells have in common."""
        return max((effect.trials for effect in self.effects.values()), default=0)


def compare_cells(cells: Sequence[CellTrials], metrics: Sequence[Metric] = ()) -> SuiteComparison:
    """Compare each cell of a suite with the baseline of its entry.

    A suite by itself is a survey: nothing gates, and of the changes that it marks in all its rows a share of 5 % is
    wrong (Benjamini and Hochberg 1995). The family is that of SURVEYED_METRICS, whichever of them a table shows, so
    that tables and figures mark the same; other metrics are a family of their own. The arms of a suite that has arms
    gate in GATING_METRICS, as those of two suites do (Holm 1979).

    Args:
        cells: of one suite.
        metrics: those that are looked at besides SURVEYED_METRICS.
    """
    surveyed = [find_metric(name) for name in SURVEYED_METRICS]
    families = [surveyed, [metric for metric in metrics if metric.name not in SURVEYED_METRICS]]
    pairs = [
        (trials, baseline)
        for entry in cells_by_entry(cells).values()
        if (baseline := baseline_of(entry)) is not None
        for trials in entry
        if trials is not baseline and trials.not_applicable is None
    ]
    return SuiteComparison(
        tuple(
            comparison
            for family in families
            for comparison in decide([compare_cell(*pair, metric) for pair in pairs for metric in family])
        )
    )


def compare_cell(cell: CellTrials, baseline: CellTrials, metric: Metric) -> Comparison:
    """Return the comparison of a cell with the baseline of its entry, by itself.

    Trials of a block share a seed and ran close together in time, so they are compared within blocks, unless the cells
    have no block in common.
    """
    new, old = values_by_block(cell, metric), values_by_block(baseline, metric)
    attempts = min(
        (summary.attempts for trials in (cell, baseline) for summary in trials.done.values() if summary.attempts),
        default=MILLION,
    )
    usual = default_threshold(metric, median_interval(list(old.values())), attempts=attempts)
    return compare_values(
        cell.cell.scenario,
        baseline.cell.name,
        cell.cell.name,
        metric,
        old,
        new,
        unit=Unit.BLOCK if set(cell.done) & set(baseline.done) else Unit.TRIAL,
        threshold=max(usual, cell.floors.get(metric.name, 0.0)),
        gating=ARM in cell.cell.levels and metric.name in GATING_METRICS,
        held_back=busy_cells(cell, baseline, metric),
    )
