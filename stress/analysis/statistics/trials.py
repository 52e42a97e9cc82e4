# SPDX-License-Identifier: MIT
"""Trials: what the runs of a cell come to together, and what sets a cell apart from the baseline.

The unit of inference is the trial: a trial comes down to one number, and numbers of trials are compared (Kalibera and
Jones 2013). Nothing is assumed of their distribution.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from stress.analysis.metric import Metric
from stress.model.suite import Cell
from stress.model.summary import Summary
from stress.model.units import MILLION

CONFIDENCE_LEVEL = 0.95  # of an interval, where there are trials enough: six
# What it takes to say that something changes. Five blocks that all agree do so by chance once in 16 times; fewer are
# an anecdote, however far they differ.
SURE_LEVEL = 0.9
THRESHOLD = 0.05  # changes smaller than that are not worth a mark, however sure

Kind = Literal["ratio", "difference"]
TIMED_UNITS = ("ns", "/s")  # units of what depends on how fast the machine was


@dataclass(frozen=True)
class CellTrials:
    """A cell with what became of its trials.

    Attributes:
        cell: which.
        done: the summary of each block's trial.
        failed: the reason by block.
        not_applicable: why this machine cannot run the cell; None if it can.
    """

    cell: Cell
    done: Mapping[int, Summary]
    failed: Mapping[int, str]
    not_applicable: str | None = None


@dataclass(frozen=True)
class Estimate:
    """The median over trials, and between which values the true one lies.

    Attributes:
        median: the lower one of an even number: a value that did occur. The mean of the two middle ones may lie
            between two modes of the SYN timer, where no trial ever was.
        low: lower end of the interval, a value that did occur.
        high: upper end.
        trials: how many have a value.
        level: how often intervals so made cover the true median, at least; of one trial, never.
    """

    median: float
    low: float
    high: float
    trials: int
    level: float


@dataclass(frozen=True)
class Effect:
    """What sets a cell apart from the baseline in one metric, as the median over blocks.

    A block's trials share a seed and a stretch of time, so they are compared with each other only.

    Attributes:
        kind: of what is compared in each block, new / old or new - old.
        median: over the blocks; as in an Estimate.
        low: lower end of its interval.
        high: upper end.
        trials: how many blocks have both.
        level: of the interval.
        changes: whether the interval, of a level of SURE at least, excludes that nothing changes, and the median is
            at least the threshold away from that.
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
    """Return which order statistics enclose the median of so many trials, and how often they do.

    Each trial lies below the true median with probability 1/2, so how many do is binomial, whatever the distribution
    (David and Nagaraja, Order Statistics, 2003, section 7.1). Where values can be alike they enclose it at least that
    often.

    Returns:
        The highest k of which the k-th lowest and the k-th highest enclose it in at least LEVEL of all cases, else 1.
    """
    rank, outside = 1, 1  # ``outside`` of 2^trials equally likely cases have fewer than ``rank`` trials below it
    while 2 * (rank + 1) <= trials and 1 - 2 * (outside + math.comb(trials, rank)) / 2**trials >= CONFIDENCE_LEVEL:
        outside += math.comb(trials, rank)
        rank += 1
    return rank, 1 - 2 * outside / 2**trials


def median_interval(values: Sequence[float]) -> Estimate | None:
    """Return the median of values with its distribution-free interval.

    Args:
        values: one a trial, in any order and unit.

    Returns:
        The narrowest pair of order statistics that covers the true median in at least LEVEL of all cases. No pair of
        fewer than six does: of these lowest and highest, with the level that they have. Of nothing, None.
    """
    ordered = sorted(values)
    trials = len(ordered)
    if not trials:
        return None
    rank, level = rank_and_level(trials)
    return Estimate(ordered[(trials - 1) // 2], ordered[rank - 1], ordered[-rank], trials, level)


def values_by_block(trials: CellTrials, metric: Metric) -> dict[int, float]:
    """Return the metric's value by block; blocks whose trial cannot say are left out.

    Trials of a cell that does not measure ran beside each other: how long anything took in them says nothing.
    """
    if metric.unit in TIMED_UNITS and not trials.cell.measures:
        return {}
    values = ((block, metric.value(summary)) for block, summary in sorted(trials.done.items()))
    return {block: float(value) for block, value in values if value is not None}


def estimate_cell(trials: CellTrials, metric: Metric) -> Estimate | None:
    """Return what the trials of a cell come to in one metric; None where no trial has a value."""
    return median_interval(list(values_by_block(trials, metric).values()))


def cell_effect(cell: CellTrials, baseline: CellTrials, metric: Metric, threshold: float = THRESHOLD) -> Effect | None:
    """Return what sets a cell apart from the baseline of its entry.

    Times and rates are compared as ratios, counts and shares as differences, for these are often zero.

    Args:
        cell: another cell of the entry.
        baseline: what it is compared with.
        metric: what is compared.
        threshold: the least change that counts, as a share of the baseline. A ratio may rise by it or fall by as
            much: 1.05 or 1 / 1.05. A difference must moreover amount to one attempt: of a baseline of 0 any share
            is 0, and a change of less than an attempt is none.

    Returns:
        None where no block has a value of both; for ratios, where none of these is above zero.
    """
    new, old = values_by_block(cell, metric), values_by_block(baseline, metric)
    blocks = [block for block in new if block in old]
    kind: Kind = "ratio" if metric.unit in TIMED_UNITS else "difference"
    if kind == "ratio":
        found = median_interval([new[block] / old[block] for block in blocks if new[block] > 0 and old[block] > 0])
        none, least_up, least_down = 1.0, 1 + threshold, 1 / (1 + threshold)
    else:
        found = median_interval([new[block] - old[block] for block in blocks])
        usual = median_interval([old[block] for block in blocks])
        least = max(size_of_one_attempt(cell, metric), threshold * abs(usual.median)) if usual else 0.0
        none, least_up, least_down = 0.0, least, -least
    if found is None:
        return None
    excluded = found.level >= SURE_LEVEL and not found.low <= none <= found.high
    changes = excluded and not least_down < found.median < least_up
    return Effect(kind, found.median, found.low, found.high, found.trials, found.level, changes)


def size_of_one_attempt(trials: CellTrials, metric: Metric) -> float:
    """Return what one attempt of a trial amounts to in a count or a share."""
    if metric.unit != "per million":
        return 1.0
    # Of trials of several sizes, the smallest: what may be a single attempt of one is not yet a change of all.
    return MILLION / min((summary.attempts for summary in trials.done.values() if summary.attempts), default=MILLION)


def better_or_worse(measured: Effect, metric: Metric) -> Literal["better", "worse"] | None:
    """Return whether a change is for the better; None if it is no change, or neither good nor bad."""
    if not measured.changes or metric.better is None:
        return None
    return "better" if measured.rises == (metric.better == "higher") else "worse"
