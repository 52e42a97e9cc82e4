# SPDX-License-Identifier: MIT
"""Trials: the estimate of a metric over the trials of a cell.

The unit of inference is the trial: each trial is summarised by one number per metric, and these numbers are compared
(Kalibera and Jones 2013). Nothing is assumed about their distribution.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from stress.model.suite import Cell
from stress.model.summary import Summary

if TYPE_CHECKING:
    from stress.analysis.metric import Metric  # numpy comes with it, and the public API loads none
    from stress.analysis.statistics.typical_times import TypicalTimes

CONFIDENCE_LEVEL = 0.95  # of an interval, where there are enough trials: six
# The level of an interval that can say that nothing changed. Five trials that all agree do so by chance in one of 16
# cases; fewer are an anecdote.
SURE_LEVEL = 0.9
THRESHOLD = 0.05  # smaller changes are not marked, however certain

Kind = Literal["ratio", "difference"]
TIMED_UNITS = ("ns", "/s")  # units of metrics that depend on the speed of the machine


@dataclass(frozen=True)
class CellTrials:
    """A cell with the results of its trials.

    Attributes:
        cell: the cell.
        done: the summary of the trial of each block.
        failed: the reason why a trial failed, by block.
        not_applicable: why this machine cannot run the cell; None if it can.
        interrupted: after how many attempts a trial was interrupted, in a sentence, by block.
        planned: how many trials there were to be; 0 where only those that ended are known.
        busy: why the machine was not quiet, by block, of the trials that are done and in which it was not.
        unprofiled: why the profile of a trial that is done is missing, by block; only of cells that are profiled.
        floors: the smallest change of a metric that is not the machine's noise, by its name, as it was calibrated.
        typical: what an attempt typically takes, by block; only of cells that have a layer.
    """

    cell: Cell
    done: Mapping[int, Summary]
    failed: Mapping[int, str]
    not_applicable: str | None = None
    interrupted: Mapping[int, str] = field(default_factory=dict)
    planned: int = 0
    busy: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    floors: Mapping[str, float] = field(default_factory=dict)
    unprofiled: Mapping[int, str] = field(default_factory=dict)
    typical: "Mapping[int, TypicalTimes]" = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """How many trials were not run, without those of a cell that this machine cannot run."""
        ended = len(self.done) + len(self.failed) + len(self.interrupted)
        return 0 if self.not_applicable is not None else max(self.planned - ended, 0)

    @property
    def absent(self) -> dict[str, int]:
        """How many trials have no result, by what became of them."""
        counts = {"failed": len(self.failed), "interrupted": len(self.interrupted), "not run": self.missing}
        return {what: count for what, count in counts.items() if count}


@dataclass(frozen=True)
class Estimate:
    """The median over trials with its interval.

    Attributes:
        median: of an even number of values the lower middle one, an observed value. The mean of the two middle values
            may lie between two modes of the SYN timer, where no trial is.
        low: lower end of the interval, an observed value.
        high: upper end.
        trials: number of trials with a value.
        level: coverage of the interval, at least; 0 for one trial.
    """

    median: float
    low: float
    high: float
    trials: int
    level: float


@dataclass(frozen=True)
class Effect:
    """The change between two arms in one metric, as tables and figures show it.

    Attributes:
        kind: of the change: new / old or new - old.
        value: the change.
        low: lower end of its interval.
        high: upper end.
        trials: of each arm, the smaller number where they differ.
        level: of the interval.
        changes: whether it is a change by the rule of all comparisons (``analysis/comparison/compare.py``).
    """

    kind: Kind
    value: float
    low: float
    high: float
    trials: int
    level: float
    changes: bool

    @property
    def rises(self) -> bool:
        """Whether the metric is higher than in the baseline."""
        return self.value > (1 if self.kind == "ratio" else 0)


def rank_and_level(trials: int) -> tuple[int, float]:
    """Return which order statistics enclose the median of a number of trials, and with which probability.

    Each trial lies below the true median with probability 1/2, so the number of those below is binomial for every
    distribution (David and Nagaraja, Order Statistics, 2003, section 7.1). Where values can be equal the probability is
    at least that.

    Returns:
        The largest k for which the k-th lowest and the k-th highest value enclose the median with a probability of at
        least CONFIDENCE_LEVEL, else 1; and that probability.
    """
    rank, outside = 1, 1  # ``outside`` of 2^trials equally likely cases have fewer than ``rank`` trials below it
    while 2 * (rank + 1) <= trials and 1 - 2 * (outside + math.comb(trials, rank)) / 2**trials >= CONFIDENCE_LEVEL:
        outside += math.comb(trials, rank)
        rank += 1
    return rank, 1 - 2 * outside / 2**trials


def median_interval(values: Sequence[float]) -> Estimate | None:
    """Return the median of values with its distribution-free interval.

    Args:
        values: one per trial, in any order and unit.

    Returns:
        The narrowest pair of order statistics that covers the true median with a probability of at least
        CONFIDENCE_LEVEL. With fewer than six values none does: then the lowest and the highest, with the level that
        they have. None without values.
    """
    ordered = sorted(values)
    trials = len(ordered)
    if not trials:
        return None
    rank, level = rank_and_level(trials)
    return Estimate(ordered[(trials - 1) // 2], ordered[rank - 1], ordered[-rank], trials, level)


def values_by_block(trials: CellTrials, metric: "Metric") -> dict[int, float]:
    """Return the metric's value by block, without blocks whose trial has none.

    Trials of a cell that does not measure ran concurrently: their times and rates cannot be compared.
    """
    if metric.unit in TIMED_UNITS and not trials.cell.measures:
        return {}
    values = ((block, metric.value(summary)) for block, summary in sorted(trials.done.items()))
    return {block: float(value) for block, value in values if value is not None}


def estimate_cell(trials: CellTrials, metric: "Metric") -> Estimate | None:
    """Return the estimate of a metric over the trials of a cell; None where no trial has a value."""
    return median_interval(list(values_by_block(trials, metric).values()))


def better_or_worse(measured: Effect, metric: "Metric") -> Literal["better", "worse"] | None:
    """Return the direction of a change; None if there is no change, or the metric has no direction."""
    if not measured.changes or metric.better is None:
        return None
    return "better" if measured.rises == (metric.better == "higher") else "worse"
