# SPDX-License-Identifier: MIT
"""Contrasts: two samples, one value a trial, and what sets the one apart from the other.

Times and rates of connections are compared as ratios and by ranks: a trial that the machine spoilt counts as one
trial, however far out it lies (Hodges and Lehmann 1963). Counts and rates of events are compared by their means. They
come in bursts, and ranks do not see how large a burst is: of twenty trials of which one had ten thousand errors and
the others none, every rank interval is [0, 0], and that must not pass for no change.

Test and interval are two readings of the same null distribution, so that they cannot contradict each other but by
ties. ``arrangement`` has the distributions; scipy has the tests but not the intervals.
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

MAD_OF_NORMAL = 0.674489750196081  # of a standard deviation of 1
ROUNDING = 1e-12  # of the largest value: what arithmetic alone makes of equal numbers


@dataclass(frozen=True)
class Contrast:
    """What sets one sample apart from another.

    Attributes:
        kind: of the effect: new / base, or new - base.
        effect: of a ratio the Hodges-Lehmann estimate, else the difference of the means.
        low: lower end of its interval.
        high: upper end.
        level: of the interval, at least; less than asked for where there are too few trials, 0 where there is one.
        p: two-sided, of the test that nothing changes.
        spread: standard deviation of the difference between a trial of one arm and a trial of the other, of the same
            block where they are paired; of a ratio that of its logarithm, as robust as the estimate (by the MAD).
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
    """Interval and p of a change that would be 0 if nothing changed."""

    low: float
    high: float
    level: float
    p: float

    def mirrored(self) -> "TestedInterval":
        """Return the same of the opposite change."""
        return TestedInterval(-self.high + 0.0, -self.low + 0.0, self.level, self.p)  # + 0.0: no zero is negative

    def symmetric(self) -> "TestedInterval":
        """Return the same of a change that is its own opposite: drawn arrangements are not, quite."""
        far = max(-self.low, self.high) + 0.0
        return TestedInterval(-far + 0.0, far, self.level, self.p)


def paired_contrast(
    base: Sequence[float], new: Sequence[float], kind: Kind, level: float = CONFIDENCE_LEVEL
) -> Contrast:
    """Return what sets the trials of one arm apart from those of another in the same blocks.

    Signs of the blocks' changes are flipped, which changes nothing if nothing changes (Fisher 1935): of a ratio those
    of the ranks of its logarithm (Wilcoxon 1945; a change of 0 has a rank, but no sign: Pratt 1959), with the interval
    from the Walsh averages (Lehmann 1975); of a difference those of the differences, with the interval from the means
    of all subsets (Hartigan 1969).

    Args:
        base: one value a block.
        new: of the same blocks in the same order.
        kind: how they are compared.
        level: that the interval shall have.

    Raises:
        ValueError: the samples are empty, of different lengths or not finite, or a ratio is asked of a value that is
            not above 0.
    """
    check_samples(base, new, kind)
    if len(base) != len(new):
        raise ValueError(f"{len(base)} values cannot be paired with {len(new)}.")
    if kind == "difference":
        change = np.asarray(new, np.float64) - np.asarray(base, np.float64)
        spread = float(change.std(ddof=1)) if change.size > 1 else 0.0
        return mean_contrast(float(change.mean()), mean_change(change, level), spread)
    # Rounded, because equal ratios of different numbers differ in their last digit, and ranks would see that.
    change = np.round(np.log(np.asarray(new, np.float64)) - np.log(np.asarray(base, np.float64)), 12)
    first, second = np.triu_indices(change.size)
    walsh = (change[first] + change[second]) / 2
    signed = change != 0
    ranks = doubled_ranks(np.abs(change))
    p = signed_rank_p(ranks[signed], change[signed] > 0)
    return rank_contrast(walsh, signed_rank_tails(change.size), level, p, robust_deviation(change))


def unpaired_contrast(
    base: Sequence[float], new: Sequence[float], kind: Kind, level: float = CONFIDENCE_LEVEL
) -> Contrast:
    """Return what sets the trials of one arm apart from those of another that was run at its own time.

    Trials change their arms, which changes nothing if nothing changes: of a ratio the sum of ranks is compared (Mann
    and Whitney 1947), with the interval from the differences of all pairs of logarithms (Lehmann 1975). Alike values
    share the mean of their ranks, and the distribution is that of these ranks. Of a difference the means are compared,
    with the interval from the differences of means of all subsets of one size: shifted by more, the arms would differ
    (Garthwaite 1996).

    Args:
        base: one value a trial, in any order.
        new: as many or not.
        kind: how they are compared.
        level: that the interval shall have.

    Raises:
        ValueError: a sample is empty or not finite, or a ratio is asked of a value that is not above 0.
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
    """Raise ValueError for samples that have no contrast."""
    if not len(base) or not len(new):
        raise ValueError("Nothing can be compared with an empty sample.")
    if not (np.isfinite(base).all() and np.isfinite(new).all()):
        raise ValueError("Only finite values can be compared.")
    if kind == "ratio" and min(*base, *new) <= 0:
        raise ValueError("Only values above 0 have a ratio; compare their difference.")


def rank_contrast(changes: Floats, tails: Floats, level: float, p: float, spread: float) -> Contrast:
    """Return the contrast of a ratio: median and order statistics of the changes in its logarithm.

    Args:
        changes: of every two blocks or trials.
        tails: how likely it is that no more than so many of them, from 0 on, lie below the true change.
        level: that the interval shall have.
        p: of the test.
        spread: of the change.
    """
    ordered = np.sort(changes)
    rank = max(1, int(np.searchsorted(tails, (1 - level) / 2 + ROUNDING)))
    low, effect, high = (math.exp(change) for change in (ordered[rank - 1], np.median(ordered), ordered[-rank]))
    return Contrast("ratio", effect, low, high, max(0.0, 1 - 2 * float(tails[rank - 1])), p, spread)


def mean_contrast(effect: float, interval: TestedInterval, spread: float) -> Contrast:
    """Return the contrast of a difference."""
    # Of arms of very different sizes the difference of the means can lie at the edge of what the test allows.
    low, high = min(interval.low, effect) + 0.0, max(interval.high, effect) + 0.0  # no zero is negative
    return Contrast("difference", effect, low, high, interval.level, interval.p, spread)


def mean_change(change: Floats, level: float) -> TestedInterval:
    """Return what the changes of blocks come to in the mean."""
    ordered = np.sort(change)
    mirrored = -ordered[::-1]
    if mirrored.tolist() < ordered.tolist():  # drawn subsets, too, shall say of arms swapped the opposite
        return mean_change(mirrored, level).mirrored()
    chosen = subsets(change.size)
    found = typical_interval(chosen @ ordered / chosen.sum(1), float(np.abs(change).max()), level)
    return found.symmetric() if np.array_equal(mirrored, ordered) else found


def mean_shift(base: Floats, new: Floats, level: float) -> TestedInterval:
    """Return what sets the means of two sorted samples apart."""
    if (new.size, new.tolist()) < (base.size, base.tolist()):
        return mean_shift(new, base, level).mirrored()
    from_base, from_new = exchanges(base.size, new.size)
    means = (from_new @ new - from_base @ base) / from_new.sum(1)
    found = typical_interval(means, float(max(np.abs(base).max(), np.abs(new).max())), level)
    return found.symmetric() if np.array_equal(base, new) else found


def typical_interval(values: Floats, largest: float, level: float) -> TestedInterval:
    """Return interval and p from typical values: the true change lies between any two neighbours equally often.

    Args:
        values: one for each arrangement of the data but the one that was observed.
        largest: of the data.
        level: that the interval shall have.
    """
    ordered = np.sort(np.where(np.abs(values) <= ROUNDING * largest, 0.0, values))
    count = ordered.size + 1
    rank = max(1, math.floor((1 - level) / 2 * count + ROUNDING))
    extreme = 1 + int(min(np.count_nonzero(ordered <= 0), np.count_nonzero(ordered >= 0)))
    return TestedInterval(
        float(ordered[rank - 1]), float(ordered[-rank]), 1 - 2 * rank / count, min(1.0, 2 * extreme / count)
    )


def robust_deviation(values: Floats) -> float:
    """Return the standard deviation of a normal distribution of the same MAD; of their own, where most are alike."""
    mad = float(np.median(np.abs(values - np.median(values))))
    return mad / MAD_OF_NORMAL if mad > 0 or values.size < 2 else float(values.std(ddof=1))
