# SPDX-License-Identifier: MIT
"""The shift function: where in the distribution of the body two arms differ, quantile by quantile.

Doksum (1974) with ratios in place of differences. A trial is one observation: its quantiles are compared with those
of other trials, as in ``contrast``, and the bands are of a bootstrap over trials. They hold all quantiles together
(the largest deviation in standard errors decides, Montiel Olea and Plagborg-Møller 2019), so that a reader may look
for the place where the arms differ.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.analysis.comparison.arm import Latencies
from stress.analysis.statistics.trials import CONFIDENCE_LEVEL

PROBABILITIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 0.999)
BEYOND_MIN = 10  # attempts beyond a quantile, or else it is a matter of single attempts
TRIALS_MIN = 5  # of an arm, for a band: fewer are an anecdote, here as in ``trials``
RESAMPLES = 1000
NUMBERS_AT_ONCE = 4_000_000  # numbers held at once while resampling

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shift:
    """New / base by quantile.

    Attributes:
        probabilities: of the quantiles that can be told, ascending.
        base_ns: the base arm's median over trials of each.
        ratio: new / base, the Hodges-Lehmann estimate over trials.
        low: lower end of the band that holds all ratios together; 0 where there are too few trials for one.
        high: upper end; infinite where there is none.
        level: how often it holds them, about; 0 without a band.
        refused: probabilities of which the smallest trial has fewer than BEYOND_MIN attempts beyond.
        trials: how many of the base arm and of the new one.
        paired: whether trials were compared within blocks.
    """

    probabilities: tuple[float, ...]
    base_ns: Floats
    ratio: Floats
    low: Floats
    high: Floats
    level: float
    refused: tuple[float, ...]
    trials: tuple[int, int]
    paired: bool


def attempts_beyond(attempts: int, probability: float) -> float:
    """Return how many of so many attempts lie beyond a quantile."""
    return round(attempts * (1 - probability), 6)  # 1 - 0.9 is a little more than 0.1


def has_enough_attempts(attempts: int, probability: float) -> bool:
    """Return whether so many attempts have a quantile that is no matter of single ones."""
    return attempts_beyond(attempts, probability) >= BEYOND_MIN


def quantiles_ns(latency_ns: Latencies, probabilities: Sequence[float] | Floats) -> Floats:
    """Return quantiles of ascending latencies, shape (probabilities,): values that did occur (Hyndman and Fan's 1)."""
    ranks = np.ceil(np.round(np.asarray(probabilities) * latency_ns.size, 6)).astype(np.intp)
    found: Floats = latency_ns[np.clip(ranks - 1, 0, latency_ns.size - 1)].astype(np.float64)
    return found


def quantile_shift(
    base: Sequence[Latencies],
    new: Sequence[Latencies],
    *,
    paired: bool,
    seed: int = 0,
    level: float = CONFIDENCE_LEVEL,
    probabilities: Sequence[float] = PROBABILITIES,
) -> Shift:
    """Return how the quantiles of two arms compare.

    Args:
        base: latencies of each trial, ascending, none empty.
        new: likewise.
        paired: whether trials at the same place of both are of the same block.
        seed: of the bootstrap.
        level: that the band shall have.
        probabilities: of the quantiles, ascending.

    Raises:
        ValueError: an arm has no trial, a trial no attempt, or paired arms are of different lengths.
    """
    if not base or not new or not all(trial.size for trial in (*base, *new)):
        raise ValueError("Both arms need a trial, and each trial an attempt.")
    if paired and len(base) != len(new):
        raise ValueError(f"{len(base)} trials cannot be paired with {len(new)}.")
    least = min(trial.size for trial in (*base, *new))
    told = tuple(each for each in probabilities if has_enough_attempts(least, each))
    old, now = (
        np.array([quantiles_ns(trial, told) for trial in arm]).reshape(len(arm), len(told)) for arm in (base, new)
    )
    log_old, log_now = (np.log(np.maximum(values, 1)) for values in (old, now))
    ratio = hodges_lehmann(log_old[None], log_now[None], paired=paired)[0]
    reach, reached = bootstrap_band(log_old, log_now, paired=paired, seed=seed, level=level)
    return Shift(
        probabilities=told,
        base_ns=np.sort(old, axis=0)[(len(base) - 1) // 2] if told else np.zeros(0),
        ratio=np.exp(ratio),
        low=np.exp(ratio - reach),
        high=np.exp(ratio + reach),
        level=reached,
        refused=tuple(each for each in probabilities if each not in told),
        trials=(len(base), len(new)),
        paired=paired,
    )


def hodges_lehmann(base: Floats, new: Floats, *, paired: bool) -> Floats:
    """Return the shift of each quantile, shape (samples, quantiles); arms have shape (samples, trials, quantiles)."""
    if paired:
        change = new - base
        first, second = np.triu_indices(change.shape[1])
        changes = (change[:, first] + change[:, second]) / 2
    else:
        changes = (new[:, :, None] - base[:, None]).reshape(len(base), base.shape[1] * new.shape[1], base.shape[2])
    found: Floats = np.median(changes, axis=1)
    return found


def bootstrap_band(base: Floats, new: Floats, *, paired: bool, seed: int, level: float) -> tuple[Floats, float]:
    """Return how far the band reaches to either side of each quantile's shift, and its level.

    Few trials differ less among each other than those they stand for: the standard errors are widened as those of a
    sample, and the critical value is that of Student's distribution in place of the normal one.
    """
    from scipy.special import ndtr, stdtrit  # noqa: PLC0415  # it takes a third of a second, and few commands compare

    trials, others = len(base), len(new)
    if min(trials, others) < TRIALS_MIN or not base.shape[1]:
        return np.full(base.shape[1], math.inf), 0.0
    drawn = resample_shifts(base, new, paired=paired, seed=seed)
    smallest = min(trials, others)
    error = drawn.std(axis=0) * math.sqrt(smallest / (smallest - 1))
    sure = error > 0
    if not sure.any():
        return np.zeros(base.shape[1]), level
    centre = hodges_lehmann(base[None], new[None], paired=paired)[0]
    furthest = (np.abs(drawn - centre)[:, sure] / error[sure]).max(axis=1)
    critical = float(np.quantile(furthest, level))
    freedom = trials - 1 if paired else trials + others - 2
    student = float(stdtrit(freedom, min(float(ndtr(critical)), 1 - 1e-9)))
    return max(critical, student) * error, level


def resample_shifts(base: Floats, new: Floats, *, paired: bool, seed: int) -> Floats:
    """Return the shifts of arms whose trials are drawn anew, shape (RESAMPLES, quantiles)."""
    rng = np.random.default_rng(seed)
    trials, others = len(base), len(new)
    pairs = trials * (trials + 1) // 2 if paired else trials * others
    together = max(1, NUMBERS_AT_ONCE // (pairs * base.shape[1]))
    found = []
    for done in range(0, RESAMPLES, together):
        count = min(together, RESAMPLES - done)
        chosen = rng.integers(0, trials, (count, trials))
        other = chosen if paired else rng.integers(0, others, (count, others))
        found.append(hodges_lehmann(base[chosen], new[other], paired=paired))
    return np.concatenate(found)
