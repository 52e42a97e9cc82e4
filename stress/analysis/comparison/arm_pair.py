# SPDX-License-Identifier: MIT
"""Pairs of arms: two columns of a row, the new runs compared with the base runs, and their values by trial."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from stress.analysis.comparison.compare import compare_values, decide, default_threshold
from stress.analysis.comparison.projection import Row
from stress.analysis.comparison.verdict import Comparison, Unit
from stress.analysis.metric import Metric
from stress.analysis.statistics.trials import TIMED_UNITS, median_interval
from stress.model.calibration import Calibration
from stress.model.observation import Observation
from stress.model.text import plural
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
        new_runs: by the same keys.
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
        """Return a metric's values of the base runs and of the new runs, by key, without runs that have none.

        Times of runs that shared their machine, or of an emulated kernel, cannot be compared.
        """
        if metric.unit in TIMED_UNITS and not all(run.timed for run in self.runs):
            return {}, {}
        return values_by_key(self.base_runs, metric), values_by_key(self.new_runs, metric)

    @property
    def attempts(self) -> int:
        """The number of attempts of the smallest run."""
        return min((run.summary.attempts for run in self.runs if run.summary.attempts), default=MILLION)


def values_by_key(runs: dict[Key, Observation], metric: Metric) -> dict[Key, float]:
    """Return the metric's value of each run that has one."""
    values = ((key, metric.value(run.summary)) for key, run in runs.items())
    return {key: float(value) for key, value in values if value is not None}


def pair_columns(rows: Iterable[Row]) -> list[ArmPair]:
    """Return a pair for each column of each row but the first column, which is the base."""
    pairs = []
    for row in rows:
        (base, base_runs), *others = row.columns.items()
        pairs += [pair_arms(row.name, base, new, base_runs, new_runs) for new, new_runs in others]
    return pairs


def pair_arms(
    row: str, base: str, new: str, base_runs: Sequence[Observation], new_runs: Sequence[Observation]
) -> ArmPair:
    """Return two columns as a pair, with their runs paired by block if they have blocks of a suite in common.

    Trials of a block share a seed and ran close together in time. Where a column has several runs in a block, or the
    columns have no block in common, trials are compared without regard to blocks.
    """
    old, now = runs_by_block(base_runs), runs_by_block(new_runs)
    if old and now and set(old) & set(now):
        return ArmPair(row, base, new, old, now, paired=True)
    return ArmPair(row, base, new, dict(enumerate(base_runs)), dict(enumerate(new_runs)), paired=False)


def runs_by_block(runs: Sequence[Observation]) -> dict[Key, Observation]:
    """Return runs by suite and block; an empty dict if a run has no block, or two have the same."""
    blocks: dict[Key, Observation] = {(run.group, run.block): run for run in runs if run.block is not None}
    return blocks if len(blocks) == len(runs) else {}


def describe_unpaired_runs(pairs: Iterable[ArmPair]) -> list[str]:
    """Return a sentence for each pair in which some runs have no partner in their block."""
    sentences = []
    for pair in pairs:
        unpaired = len(set(pair.base_runs) ^ set(pair.new_runs)) if pair.paired else 0
        if unpaired:
            where = f"{pair.row}: " if pair.row else ""
            trials = plural(len(pair.runs), "trial")
            sentences.append(f"{where}{unpaired} of {trials} left out: the same block has none of the other arm")
    return sentences


def pair_threshold(pair: ArmPair, metric: Metric, calibration: Calibration | None) -> float:
    """Return the smallest change of a metric that matters: the default, or the machine's noise if that is larger."""
    base, _ = pair.values(metric)
    usual = default_threshold(metric, median_interval(list(base.values())), attempts=pair.attempts)
    floor = calibration.floor(metric.name) if calibration else None
    return max(usual, floor or 0.0)


def compare_pairs(
    pairs: Iterable[ArmPair], metrics: Sequence[tuple[Metric, bool]], calibration: Calibration | None = None
) -> list[Comparison]:
    """Return the comparison of each pair in each metric, corrected for all the tests together.

    Args:
        pairs: what is compared.
        metrics: the metrics, each with whether it gates.
        calibration: of the machine that the runs are from.
    """
    return decide(
        [
            compare_values(
                pair.row,
                pair.base,
                pair.new,
                metric,
                *pair.values(metric),
                unit=Unit.BLOCK if pair.paired else Unit.TRIAL,
                threshold=pair_threshold(pair, metric, calibration),
                gating=gating,
            )
            for pair in pairs
            for metric, gating in metrics
        ]
    )
