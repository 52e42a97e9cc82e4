# SPDX-License-Identifier: MIT
"""Power: how many trials, or attempts, it takes to detect a change of a given size.

An effect and a spread are on the same scale, that of the comparison: for a ratio its logarithm, which for small changes
is about the relative change. The spread is that of the difference between a trial of one arm and one of the other, as
in a Contrast, so that paired and unpaired trials need the same formula.
"""

import math
from statistics import NormalDist

import numpy as np

from stress.analysis.statistics.permutation import rank_sum_tails, signed_rank_tails
from stress.analysis.statistics.trials import CONFIDENCE_LEVEL
from stress.model.units import MILLION

POWER = 0.8  # probability that an existing change is detected
EFFICIENCY = 3 / math.pi  # of rank tests relative to tests of normal means (Hodges and Lehmann 1956)
TRIALS_MAX = 10_000  # more are not practical
COARSE_TRIALS = 30  # with fewer trials the possible p-values lie far apart

STANDARD_NORMAL = NormalDist()


def smallest_p(trials: int, *, paired: bool) -> float:
    """Return the smallest two-sided p that a number of trials of each arm can have."""
    return min(1.0, 2 / (2**trials if paired else math.comb(2 * trials, trials)))


def least_trials(alpha: float, *, paired: bool) -> int:
    """Return the smallest number of trials of each arm whose smallest p is at most alpha."""
    least = 1
    while smallest_p(least, paired=paired) > alpha * (1 + 1e-9):
        least += 1
    return least


def reachable_p(trials: int, alpha: float, *, paired: bool) -> float:
    """Return the largest possible p that is at most alpha; the smallest possible one, if all are larger."""
    if trials >= COARSE_TRIALS:
        return min(alpha, 1.0)
    tails = 2 * (signed_rank_tails(trials) if paired else rank_sum_tails(trials, trials))
    place = int(np.searchsorted(tails, alpha * (1 + 1e-9), side="right"))
    return min(1.0, float(tails[max(0, place - 1)]))


def standard_error(trials: int, quantile: float, *, paired: bool) -> float:
    """Return the standard error of a change, as a share of the spread.

    Estimating the spread costs a few trials (Guenther 1981, for the test of means).
    """
    lost = quantile**2 / (2 if paired else 4)
    return 1 / math.sqrt(EFFICIENCY * max(trials - lost, trials / 4))


def detectable_effect(
    spread: float, trials: int, level: float = CONFIDENCE_LEVEL, power: float = POWER, *, paired: bool = True
) -> float:
    """Return the smallest effect that a number of trials of each arm detects with a given power.

    Where there are too few trials for the level, the effect is that of the level that they have.
    """
    p = reachable_p(trials, 1 - level, paired=paired)
    quantile = STANDARD_NORMAL.inv_cdf(1 - p / 2)
    effect = (quantile + STANDARD_NORMAL.inv_cdf(power)) * standard_error(trials, quantile, paired=paired)
    if paired and p == smallest_p(trials, paired=True) < 1:
        effect = max(effect, STANDARD_NORMAL.inv_cdf(power ** (1 / trials)))  # all blocks must agree
    return spread * effect


def trials_needed(
    spread: float, effect: float, level: float = CONFIDENCE_LEVEL, power: float = POWER, *, paired: bool = True
) -> int | None:
    """Return how many trials of each arm it takes to detect an effect; None if more than TRIALS_MAX.

    Args:
        spread: of the difference between two trials.
        effect: of either sign, on the scale of the spread.
        level: 1 - the p that is required.
        power: probability of detection.
        paired: whether trials are compared within blocks.
    """
    if effect == 0:
        return None
    alpha = 1 - level
    least = least_trials(alpha, paired=paired)
    quantiles = STANDARD_NORMAL.inv_cdf(1 - alpha / 2) + STANDARD_NORMAL.inv_cdf(power)
    ratio = min(quantiles * spread / abs(effect), TRIALS_MAX)  # its square is finite
    trials = max(least, math.ceil(ratio**2 / EFFICIENCY))
    while trials <= TRIALS_MAX and detectable_effect(spread, trials, level, power, paired=paired) > abs(effect):
        trials += 1
    return trials if trials <= TRIALS_MAX else None


def attempts_needed(
    rate_base: float, rate_new: float, dispersion: float = 1.0, level: float = CONFIDENCE_LEVEL, power: float = POWER
) -> int:
    """Return how many attempts of each arm it takes to distinguish two rates of rare events.

    Args:
        rate_base: per million attempts.
        rate_new: per million attempts.
        dispersion: variance of the counts of trials over their mean; 1 if events are independent (Poisson).
        level: 1 - the p that is required.
        power: probability of detection.

    Raises:
        ValueError: the rates are equal.
    """
    if rate_base == rate_new:
        raise ValueError("Equal rates cannot be distinguished by any number of attempts.")
    quantiles = STANDARD_NORMAL.inv_cdf((1 + level) / 2) + STANDARD_NORMAL.inv_cdf(power)
    millions = quantiles**2 * dispersion * (rate_base + rate_new) / (rate_new - rate_base) ** 2
    return math.ceil(millions * MILLION)


def spread_of_interval(low: float, high: float, level: float, trials: int) -> float:
    """Return the spread that an interval of a number of trials implies; 0 for one trial, which has no interval."""
    quantile = STANDARD_NORMAL.inv_cdf((1 + level) / 2)
    return (high - low) / 2 / quantile * math.sqrt(EFFICIENCY * trials) if quantile > 0 else 0.0
