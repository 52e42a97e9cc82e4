# SPDX-License-Identifier: MIT
"""Two-sample tests: the change between two samples of one value per trial, with its interval and p-value.

Times and rates of connections are compared as ratios and by ranks: a trial that the machine disturbed counts as one
trial, however far out it lies (Hodges and Lehmann 1963). Counts and rates of events are compared by their means. They
come in bursts, and ranks ignore how large a burst is: if one of twenty trials had ten thousand errors and the others
none, every rank interval is [0, 0], and that must not be taken for no change.

Test and interval come from the same null distribution, so that only ties can make them contradict each other.
``permutation`` has the distributions; scipy has the tests but not the intervals.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stress.analysis.statistics.permutation import (
    Floats,
    doubled_ranks,
    exchanges,
    rank_sum_p,
    rank_sum_tails,
    signed_rank_p,
    signed_rank_tails,
    subsets,
)
from stress.analysis.statistics.trials import CONFIDENCE_LEVEL, Kind

MAD_OF_NORMAL = 0.674489750196081  # median absolute deviation of a standard normal distribution
ROUNDING = 1e-12  # relative to the largest value: the difference that arithmetic makes between equal numbers


@dataclass(frozen=True)
class Contrast:
    """The change from one sample to another.

    Attributes:
        kind: of the effect: new / base, or new - base.
        effect: for a ratio the Hodges-Lehmann estimate, else the difference of the means.
        low: lower end of its interval.
        high: upper end.
        level: coverage of the interval, at least; less than requested where there are too few trials, 0 where there
            is one.
        p: two-sided, of the test of no change.
        spread: standard deviation of the difference between a trial of one arm and a trial of the other, of the same
            block where they are paired; for a ratio that of its logarithm, estimated robustly by the MAD.
    """

    kind: Kind
    effect: float
    low: float
    high: float
    level: float
    p: float
    spread: float


@dataclass(frozen=True)
class TestedInterval:
    """Interval and p of a change, where 0 is no change."""

    low: float
    high: float
    level: float
    p: float

    def mirrored(self) -> "TestedInterval":
        """Return the interval of the opposite change."""
        return TestedInterval(-self.high + 0.0, -self.low + 0.0, self.level, self.p)  # + 0.0 avoids a negative zero

    def symmetric(self) -> "TestedInterval":
        """Return the interval of a change that equals its opposite; sampled arrangements are not quite symmetric."""
        far = max(-self.low, self.high) + 0.0
        return TestedInterval(-far + 0.0, far, self.level, self.p)


def paired_contrast(
    base: Sequence[float], new: Sequence[float], kind: Kind, level: float = CONFIDENCE_LEVEL
) -> Contrast:
    """Return the change between two arms whose trials are paired in blocks.

    The signs of the changes of the blocks are exchangeable if nothing changes (Fisher 1935). For a ratio the ranks of
    its logarithms are tested (Wilcoxon 1945; a change of 0 has a rank, but no sign: Pratt 1959), and the interval comes
    from the Walsh averages (Lehmann 1975). For a difference the differences are tested, and the interval comes from the
    means of all subsets (Hartigan 1969).

    Args:
        base: one value per block.
        new: values of the same blocks in the same order.
        kind: how they are compared.
        level: coverage that the interval shall have.

    Raises:
        ValueError: the samples are empty, of different lengths or not finite, or a value of a ratio is not above 0.
    """
    check_samples(base, new, kind)
    if len(base) != len(new):
        raise ValueError(f"{len(base)} values cannot be paired with {len(new)}.")
    if kind == "difference":
        change = np.asarray(new, np.float64) - np.asarray(base, np.float64)
        spread = float(change.std(ddof=1)) if change.size > 1 else 0.0
        return mean_contrast(float(change.mean()), mean_change(change, level), spread)
    # Rounded, because equal ratios of different numbers differ in their last digit, which would give them other ranks.
    change = np.round(np.log(np.asarray(new, np.float64)) - np.log(np.asarray(base, np.float64)), 12)
    first, second = np.triu_indices(change.size)
    walsh = (change[first] + change[second]) / 2
    signed = change != 0
    ranks = doubled_ranks(np.abs(change))
    p = signed_rank_p(ranks[signed], change[signed] > 0)
    return rank_contrast(walsh, signed_rank_tails(change.size), level, p, robust_deviation(change))


def paired_shift(base: Sequence[float], new: Sequence[float], level: float = CONFIDENCE_LEVEL) -> Contrast:
    """Return the difference between two arms whose trials are paired in blocks, by ranks.

    As a ratio is tested, but of the differences themselves: for times that add up, of which one block that the machine
    disturbed counts as one block. The arguments are those of ``paired_contrast``.
    """
    check_samples(base, new, "difference")
    change = np.asarray(new, np.float64) - np.asarray(base, np.float64)
    first, second = np.triu_indices(change.size)
    ordered = np.sort((change[first] + change[second]) / 2)
    tails = signed_rank_tails(change.size)
    rank = max(1, int(np.searchsorted(tails, (1 - level) / 2 + ROUNDING)))
    signed = change != 0
    p = signed_rank_p(doubled_ranks(np.abs(change))[signed], change[signed] > 0)
    covered = max(0.0, 1 - 2 * float(tails[rank - 1]))
    low, high = float(ordered[rank - 1]), float(ordered[-rank])
    return Contrast("difference", float(np.median(ordered)), low, high, covered, p, robust_deviation(change))


def unpaired_contrast(
    base: Sequence[float], new: Sequence[float], kind: Kind, level: float = CONFIDENCE_LEVEL
) -> Contrast:
    """Return the change between two arms that were run independently.

    The trials of the arms are exchangeable if nothing changes. For a ratio the rank sum is tested (Mann and Whitney
    1947), and the interval comes from the differences of all pairs of logarithms (Lehmann 1975). Equal values share
    their mean rank, and the distribution is that of these ranks. For a difference the means are tested, and the
    interval comes from the differences of the means of all subsets of one size: shifted by more, the arms would differ
    (Garthwaite 1996).

    Args:
        base: one value per trial, in any order.
        new: one value per trial, of any number of trials.
        kind: how they are compared.
        level: coverage that the interval shall have.

    Raises:
        ValueError: a sample is empty or not finite, or a value of a ratio is not above 0.
    """
    check_samples(base, new, kind)
    old, now = np.sort(np.asarray(base, np.float64)), np.sort(np.asarray(new, np.float64))
    if kind == "difference":
        variances = sum(float(sample.var(ddof=1)) for sample in (old, now) if sample.size > 1)
        return mean_contrast(float(now.mean() - old.mean()), mean_shift(old, now, level), math.sqrt(variances))
    shifts = np.subtract.outer(np.log(now), np.log(old)).ravel()
    ranks = doubled_ranks(np.concatenate([now, old]))
    tails = rank_sum_tails(old.size, now.size)
    return rank_contrast(shifts, tails, level, rank_sum_p(ranks, now.size), robust_deviation(shifts))


def check_samples(base: Sequence[float], new: Sequence[float], kind: Kind) -> None:
    """Raise ValueError for samples that cannot be compared."""
    if not len(base) or not len(new):
        raise ValueError("Nothing can be compared with an empty sample.")
    if not (np.isfinite(base).all() and np.isfinite(new).all()):
        raise ValueError("Only finite values can be compared.")
    if kind == "ratio" and min(*base, *new) <= 0:
        raise ValueError("Only values above 0 have a ratio; compare their difference.")


def rank_contrast(changes: Floats, tails: Floats, level: float, p: float, spread: float) -> Contrast:
    """Return the contrast of a ratio from the median and the order statistics of the changes of its logarithm.

    Args:
        changes: of every two blocks or trials.
        tails: probabilities that at most 0, 1, ... of them lie below the true change.
        level: coverage that the interval shall have.
        p: of the test.
        spread: of the change.
    """
    ordered = np.sort(changes)
    rank = max(1, int(np.searchsorted(tails, (1 - level) / 2 + ROUNDING)))
    low, effect, high = (math.exp(change) for change in (ordered[rank - 1], np.median(ordered), ordered[-rank]))
    return Contrast("ratio", effect, low, high, max(0.0, 1 - 2 * float(tails[rank - 1])), p, spread)


def mean_contrast(effect: float, interval: TestedInterval, spread: float) -> Contrast:
    """Return the contrast of a difference."""
    # If the arms have very different sizes the difference of the means can lie just outside the interval.
    low, high = min(interval.low, effect) + 0.0, max(interval.high, effect) + 0.0  # + 0.0 avoids a negative zero
    return Contrast("difference", effect, low, high, interval.level, interval.p, spread)


def mean_change(change: Floats, level: float) -> TestedInterval:
    """Return the interval of the mean change of blocks."""
    ordered = np.sort(change)
    mirrored = -ordered[::-1]
    if mirrored.tolist() < ordered.tolist():  # with arms swapped, sampled subsets must give the opposite as well
        return mean_change(mirrored, level).mirrored()
    chosen = subsets(change.size)
    interval = typical_interval(chosen @ ordered / chosen.sum(1), float(np.abs(change).max()), level)
    return interval.symmetric() if np.array_equal(mirrored, ordered) else interval


def mean_shift(base: Floats, new: Floats, level: float) -> TestedInterval:
    """Return the interval of the difference between the means of two sorted samples."""
    if (new.size, new.tolist()) < (base.size, base.tolist()):
        return mean_shift(new, base, level).mirrored()
    from_base, from_new = exchanges(base.size, new.size)
    means = (from_new @ new - from_base @ base) / from_new.sum(1)
    interval = typical_interval(means, float(max(np.abs(base).max(), np.abs(new).max())), level)
    return interval.symmetric() if np.array_equal(base, new) else interval


def typical_interval(values: Floats, largest: float, level: float) -> TestedInterval:
    """Return interval and p from typical values, between any two of which the true change lies equally often.

    Args:
        values: one for each arrangement of the data except the observed one.
        largest: the largest absolute value of the data.
        level: coverage that the interval shall have.
    """
    ordered = np.sort(np.where(np.abs(values) <= ROUNDING * largest, 0.0, values))
    count = ordered.size + 1
    rank = max(1, math.floor((1 - level) / 2 * count + ROUNDING))
    extreme = 1 + int(min(np.count_nonzero(ordered <= 0), np.count_nonzero(ordered >= 0)))
    return TestedInterval(
        float(ordered[rank - 1]), float(ordered[-rank]), 1 - 2 * rank / count, min(1.0, 2 * extreme / count)
    )


def robust_deviation(values: Floats) -> float:
    """Return the standard deviation of a normal distribution with the same MAD; their own, where most are equal."""
    mad = float(np.median(np.abs(values - np.median(values))))
    return mad / MAD_OF_NORMAL if mad > 0 or values.size < 2 else float(values.std(ddof=1))
