# SPDX-License-Identifier: MIT
"""Trials: the estimate of a metric over the trials of a cell, and its change from the baseline.

The unit of inference is the trial: each trial is summarised by one number per metric, and these numbers are compared
(Kalibera and Jones 2013). Nothing is assumed about their distribution.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from stress.model.suite import Cell
from stress.model.summary import Summary
from stress.model.units import MILLION

if TYPE_CHECKING:
    from stress.analysis.metric import Metric  # numpy comes with it, and the public API loads none

CONFIDENCE_LEVEL = 0.95  # of an interval, where there are enough trials: six
# The level that a statement of change needs. Five blocks that all agree do so by chance in one of 16 cases; fewer are
# an anecdote, however far they differ.
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
    """

    cell: Cell
    done: Mapping[int, Summary]
    failed: Mapping[int, str]
    not_applicable: str | None = None
    interrupted: Mapping[int, str] = field(default_factory=dict)
    planned: int = 0
    busy: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

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
    """The change of a cell from the baseline in one metric, as the median over blocks.

    Trials of a block share a seed and ran close together in time, so they are only compared with each other.

    Attributes:
        kind: of the change in each block, new / old or new - old.
        median: over the blocks; as in an Estimate.
        low: lower end of its interval.
        high: upper end.
        trials: number of blocks that have both values.
        level: of the interval.
        changes: whether the interval, of a level of at least SURE_LEVEL, excludes no change, and the median differs
            from no change by at least the threshold.
    """

    kind: Kind
    median: float
    low: float
    high: float
    trials: int
    level: float
    changes: bool

    @property
    def rises(self) -> bool:
        """Whether the metric is higher than in the baseline."""
        return self.median > (1 if self.kind == "ratio" else 0)


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


def cell_effect(
    cell: CellTrials, baseline: CellTrials, metric: "Metric", threshold: float = THRESHOLD
) -> Effect | None:
    """Return the change of a cell from the baseline of its entry.

    Times and rates are compared as ratios, counts and shares as differences, because these are often zero.

    Args:
        cell: another cell of the entry.
        baseline: the cell that it is compared with.
        metric: the metric.
        threshold: the smallest change that is marked, as a share of the baseline. A ratio may rise by it or fall by the
            same factor: 1.05 or 1 / 1.05. A difference must be at least one attempt as well: of a baseline of 0 any
            share is 0, and less than an attempt is no change.

    Returns:
        The change; None where no block has both values, or for ratios, none above zero.
    """
    new, old = values_by_block(cell, metric), values_by_block(baseline, metric)
    blocks = [block for block in new if block in old]
    kind: Kind = "ratio" if metric.unit in TIMED_UNITS else "difference"
    if kind == "ratio":
        change = median_interval([new[block] / old[block] for block in blocks if new[block] > 0 and old[block] > 0])
        no_change, least_up, least_down = 1.0, 1 + threshold, 1 / (1 + threshold)
    else:
        change = median_interval([new[block] - old[block] for block in blocks])
        least = least_difference(cell, [old[block] for block in blocks], metric, threshold)
        no_change, least_up, least_down = 0.0, least, -least
    if change is None:
        return None
    excluded = change.level >= SURE_LEVEL and not change.low <= no_change <= change.high
    changes = excluded and not least_down < change.median < least_up
    return Effect(kind, change.median, change.low, change.high, change.trials, change.level, changes)


def least_difference(cell: CellTrials, usual: Sequence[float], metric: "Metric", threshold: float = THRESHOLD) -> float:
    """Return the smallest difference from a baseline that is marked, in the metric's unit.

    Args:
        cell: that is compared.
        usual: the baseline's values in the blocks that both have.
        metric: a count or a share.
        threshold: as a share of the baseline.
    """
    middle = median_interval(usual)
    return max(size_of_one_attempt(cell, metric), threshold * abs(middle.median)) if middle else 0.0


def size_of_one_attempt(trials: CellTrials, metric: "Metric") -> float:
    """Return the share of one attempt in the metric's unit: 1 of a count, more of a rate per million."""
    if metric.unit != "per million":
        return 1.0
    # The smallest trial counts: what may be a single attempt of one trial is no change of all of them.
    return MILLION / min((summary.attempts for summary in trials.done.values() if summary.attempts), default=MILLION)


def better_or_worse(measured: Effect, metric: "Metric") -> Literal["better", "worse"] | None:
    """Return the direction of a change; None if there is no change, or the metric has no direction."""
    if not measured.changes or metric.better is None:
        return None
    return "better" if measured.rises == (metric.better == "higher") else "worse"
