# SPDX-License-Identifier: MIT
"""Matchup: the runs of two columns of a row, the new ones against the base, and their values by trial."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from stress.analysis.comparison.compare import compare_values, decide, default_threshold
from stress.analysis.comparison.projection import Row
from stress.analysis.comparison.verdict import Comparison
from stress.analysis.metric import Metric
from stress.analysis.statistics.trials import TIMED_UNITS, median_interval
from stress.model.calibration import Calibration
from stress.model.observation import Observation
from stress.model.units import MILLION

Key = Hashable


@dataclass(frozen=True)
class ArmPair:
    """Two columns of a row.

    Attributes:
        row: its name.
        base: name of the base column.
        new: name of the other.
        base_runs: by block where runs are paired, else by their number.
        new_runs: likewise.
        paired: whether runs with the same key were made in the same block.
    """

    row: str
    base: str
    new: str
    base_runs: dict[Key, Observation]
    new_runs: dict[Key, Observation]
    paired: bool

    @property
    def runs(self) -> list[Observation]:
        """All of them."""
        return [*self.base_runs.values(), *self.new_runs.values()]

    def values(self, metric: Metric) -> tuple[dict[Key, float], dict[Key, float]]:
        """Return what the base and the new runs say of a metric, by key; those that cannot say are left out.

        A time of a run that was not alone, or of an emulated kernel, says nothing of any other.
        """
        if metric.unit in TIMED_UNITS and not all(run.timed for run in self.runs):
            return {}, {}
        return values_by_key(self.base_runs, metric), values_by_key(self.new_runs, metric)

    @property
    def attempts(self) -> int:
        """How many attempts the smallest run has."""
        return min((run.summary.attempts for run in self.runs if run.summary.attempts), default=MILLION)


def values_by_key(runs: dict[Key, Observation], metric: Metric) -> dict[Key, float]:
    """Return the metric's value of each run that has one."""
    found = ((key, metric.value(run.summary)) for key, run in runs.items())
    return {key: float(value) for key, value in found if value is not None}


def pair_columns(rows: Iterable[Row]) -> list[ArmPair]:
    """Return every column but the first of each row against the first."""
    found = []
    for row in rows:
        (base, base_runs), *others = row.columns.items()
        found += [pair_arms(row.name, base, new, base_runs, new_runs) for new, new_runs in others]
    return found


def pair_arms(
    row: str, base: str, new: str, base_runs: Sequence[Observation], new_runs: Sequence[Observation]
) -> ArmPair:
    """Return two columns with their runs by block, by block if they have blocks of a suite in common.

    Trials of a block share a seed and a stretch of time. Where a column has several runs in a block, or the columns
    have no block in common, trials are compared without regard to blocks.
    """
    old, now = runs_by_block(base_runs), runs_by_block(new_runs)
    if old and now and set(old) & set(now):
        return ArmPair(row, base, new, old, now, paired=True)
    return ArmPair(row, base, new, dict(enumerate(base_runs)), dict(enumerate(new_runs)), paired=False)


def runs_by_block(runs: Sequence[Observation]) -> dict[Key, Observation]:
    """Return runs by suite and block; nothing if any has none, or two have the same."""
    found: dict[Key, Observation] = {(run.group, run.block): run for run in runs if run.block is not None}
    return found if len(found) == len(runs) else {}


def describe_unpaired_runs(pairs: Iterable[ArmPair]) -> list[str]:
    """Return a sentence for each pair of columns of which some runs have no partner in their block."""
    sentences = []
    for each in pairs:
        alone = len(set(each.base_runs) ^ set(each.new_runs)) if each.paired else 0
        if alone:
            where = f"{each.row}: " if each.row else ""
            of = len(each.runs)
            sentences.append(f"{where}{alone} of {of} trials have no partner in their block and are left out")
    return sentences


def pair_threshold(pair: ArmPair, metric: Metric, calibration: Calibration | None) -> float:
    """Return the least change of a metric that matters: the usual one, but none that is within the machine's noise."""
    base, _ = pair.values(metric)
    usual = default_threshold(metric, median_interval(list(base.values())), attempts=pair.attempts)
    floor = calibration.floor(metric.name) if calibration else None
    return max(usual, floor or 0.0)


def compare_pairs(
    pairs: Iterable[ArmPair], metrics: Sequence[tuple[Metric, bool]], calibration: Calibration | None = None
) -> list[Comparison]:
    """Return the comparison of each pair of columns in each metric, corrected for all that was looked at.

    Args:
        pairs: pairs of columns.
        metrics: each with whether it gates.
        calibration: of the machine that they ran on.
    """
    return decide(
        [
            compare_values(
                each.row,
                each.base,
                each.new,
                metric,
                *each.values(metric),
                paired=each.paired,
                threshold=pair_threshold(each, metric, calibration),
                gating=gating,
            )
            for each in pairs
            for metric, gating in metrics
        ]
    )
