# SPDX-License-Identifier: MIT
"""Pairs of arms: two columns of a row, the new runs compared with the base runs, and their values by trial."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from stress.analysis.comparison.compare import default_threshold
from stress.analysis.comparison.counter_metric import value_of
from stress.analysis.comparison.projection import Row
from stress.analysis.comparison.sessions import (
    describe_busy,
    describe_closeness,
    quiet_runs,
    session_values,
    shared_runs,
)
from stress.analysis.comparison.verdict import Unit
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
        is_apart: whether the arms share no session, so that times are compared by sessions.
        allow_busy: whether sessions in which the machine was busy count as well.
        left_out: how many runs of both arms are not compared, for the other arm has none in their session.
    """

    row: str
    base: str
    new: str
    base_runs: dict[Key, Observation]
    new_runs: dict[Key, Observation]
    paired: bool
    is_apart: bool = False
    allow_busy: bool = False
    left_out: int = 0

    @property
    def runs(self) -> list[Observation]:
        """All of them."""
        return [*self.base_runs.values(), *self.new_runs.values()]

    @property
    def timed_runs(self) -> tuple[list[Observation], list[Observation]]:
        """The runs of both arms whose times are compared: of several sessions those in which the machine was quiet."""
        arms = list(self.base_runs.values()), list(self.new_runs.values())
        if not self.is_apart or self.allow_busy:
            return arms
        return quiet_runs(arms[0]), quiet_runs(arms[1])

    def values(self, metric: Metric) -> tuple[dict[Key, float], dict[Key, float]]:
        """Return a metric's values of the base runs and of the new runs, by key, without runs that have none.

        Times of runs that shared their machine, or of an emulated kernel, cannot be compared. The key is what ``unit``
        says.
        """
        if metric.unit in TIMED_UNITS and not all(run.timed for run in self.runs):
            return {}, {}
        if self.unit(metric) is Unit.SESSION:
            base, new = (session_values(runs, metric) for runs in self.timed_runs)
            return dict(base.items()), dict(new.items())
        return values_by_key(self.base_runs, metric), values_by_key(self.new_runs, metric)

    def unit(self, metric: Metric) -> Unit:
        """Return what a value of a metric stands for."""
        if self.is_apart and metric.unit in TIMED_UNITS:
            return Unit.SESSION
        return Unit.BLOCK if self.paired else Unit.TRIAL

    @property
    def attempts(self) -> int:
        """The number of attempts of the smallest run."""
        return min((run.summary.attempts for run in self.runs if run.summary.attempts), default=MILLION)


def values_by_key(runs: dict[Key, Observation], metric: Metric) -> dict[Key, float]:
    """Return the metric's value of each run that has one."""
    values = ((key, value_of(metric, run)) for key, run in runs.items())
    return {key: float(value) for key, value in values if value is not None}


def pair_columns(rows: Iterable[Row], *, allow_busy: bool = False) -> list[ArmPair]:
    """Return a pair for each column of each row but the first column, which is the base; see ``pair_arms``."""
    pairs = []
    for row in rows:
        (base, base_runs), *others = row.columns.items()
        pairs += [
            pair_arms(row.name, base, new, base_runs, new_runs, allow_busy=allow_busy) for new, new_runs in others
        ]
    return pairs


def pair_arms(  # two arms, each with its runs
    row: str,
    base: str,
    new: str,
    base_runs: Sequence[Observation],
    new_runs: Sequence[Observation],
    *,
    allow_busy: bool = False,
) -> ArmPair:
    """Return two columns as a pair, with their runs paired by block if they have blocks of a suite in common.

    Runs of sessions that one of the columns has no run in are left out, unless the columns share no session. Trials of
    a block share a seed and ran close together in time. Where a column has several runs in a block, or the columns have
    no block in common, trials are compared without regard to blocks.
    """
    old_shared, now_shared = shared_runs(base_runs, new_runs)
    of_all = ArmPair(
        row,
        base,
        new,
        dict(enumerate(old_shared or base_runs)),
        dict(enumerate(now_shared or new_runs)),
        paired=False,
        is_apart=not old_shared,
        allow_busy=allow_busy,
        left_out=len(base_runs) + len(new_runs) - len(old_shared) - len(now_shared) if old_shared else 0,
    )
    old, now = runs_by_block(old_shared), runs_by_block(now_shared)
    if set(old) & set(now):
        return replace(of_all, base_runs=old, new_runs=now, paired=True)
    return of_all


def runs_by_block(runs: Sequence[Observation]) -> dict[Key, Observation]:
    """Return runs by session, suite and block; an empty dict if a run has no block, or two have the same.

    A block that was interrupted and went on in another session has no two trials that share a session.
    """
    blocks: dict[Key, Observation] = {(run.session, run.group, run.block): run for run in runs if run.block is not None}
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


def describe_sessions(pairs: Iterable[ArmPair]) -> list[str]:
    """Return a sentence for each pair of which some runs are not compared, or whose sessions are not as independent."""
    sentences: dict[str, None] = {}
    for pair in pairs:
        where = f"{pair.row}: " if pair.row else ""
        if pair.left_out:
            trials = plural(len(pair.runs) + pair.left_out, "trial")
            sentences[f"{where}{pair.left_out} of {trials} left out: the other arm has none in the same session"] = None
        if pair.is_apart:
            close = describe_closeness(list(pair.base_runs.values()), list(pair.new_runs.values()))
            sentences |= dict.fromkeys(f"{where}{text}" for text in close)
        if pair.is_apart and not pair.allow_busy:
            for name, runs in ((pair.base, pair.base_runs), (pair.new, pair.new_runs)):
                sentences |= dict.fromkeys(f"{where}{text}" for text in describe_busy(name, list(runs.values())))
    return list(sentences)


def pair_threshold(pair: ArmPair, metric: Metric, calibration: Calibration | None) -> float:
    """Return the smallest change of a metric that matters: the default, or the machine's noise if that is larger."""
    base, _ = pair.values(metric)
    usual = default_threshold(metric, median_interval(list(base.values())), attempts=pair.attempts)
    floor = calibration.floor(metric.name) if calibration else None
    return max(usual, floor or 0.0)
