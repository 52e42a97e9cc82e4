# SPDX-License-Identifier: MIT
"""The shift function: where in the distribution of the body two arms differ, quantile by quantile.

Doksum (1974) with ratios instead of differences. A trial is one observation: its quantiles are compared with those of
other trials, as in ``two_sample``, and the bands come from a bootstrap over trials. They cover all quantiles at once
(the largest deviation in standard errors decides, Montiel Olea and Plagborg-Møller 2019), so that a reader may look
for the quantile where the arms differ.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.analysis.comparison.arm import Latencies
from stress.analysis.statistics.trials import CONFIDENCE_LEVEL
from stress.model.extra import require_package

PROBABILITIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 0.999)
BEYOND_MIN = 10  # attempts beyond a quantile; with fewer it depends on single attempts
TRIALS_MIN = 5  # of an arm, for a band; fewer are an anecdote, as in ``trials``
RESAMPLES = 1000
NUMBERS_AT_ONCE = 4_000_000  # in memory while resampling

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shift:
    """New / base by quantile.

    Attributes:
        probabilities: of the quantiles that can be estimated, ascending.
        base_ns: the base arm's median over trials of each quantile.
        ratio: new / base, the Hodges-Lehmann estimate over trials.
        low: lower end of the simultaneous band of all ratios; 0 where there are too few trials for a band.
        high: upper end; infinite where there is no band.
        level: approximate coverage of the band; 0 without a band.
        refused: probabilities of which the smallest trial has fewer than BEYOND_MIN attempts beyond.
        trials: number of trials of the base arm and of the new one.
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
    """Return how many attempts of a trial lie beyond a quantile."""
    return round(attempts * (1 - probability), 6)  # 1 - 0.9 is a little more than 0.1


def has_enough_attempts(attempts: int, probability: float) -> bool:
    """Return whether a trial has enough attempts for a quantile not to depend on single ones."""
    return attempts_beyond(attempts, probability) >= BEYOND_MIN


def quantiles_ns(latency_ns: Latencies, probabilities: Sequence[float] | Floats) -> Floats:
    """Return quantiles of ascending latencies, shape (probabilities,): observed values (Hyndman and Fan's type 1)."""
    ranks = np.ceil(np.round(np.asarray(probabilities) * latency_ns.size, 6)).astype(np.intp)
    quantiles: Floats = latency_ns[np.clip(ranks - 1, 0, latency_ns.size - 1)].astype(np.float64)
    return quantiles


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
        new: the same of the new arm.
        paired: whether trials with the same index are of the same block.
        seed: of the bootstrap.
        level: coverage that the band shall have.
        probabilities: of the quantiles, ascending.

    Raises:
        ValueError: an arm has no trial, a trial no attempt, or paired arms are of different lengths.
    """
    if not base or not new or not all(trial.size for trial in (*base, *new)):
        raise ValueError("Both arms need trials, and every trial needs attempts.")
    if paired and len(base) != len(new):
        raise ValueError(f"{len(base)} trials cannot be paired with {len(new)}.")
    least = min(trial.size for trial in (*base, *new))
    estimated = tuple(probability for probability in probabilities if has_enough_attempts(least, probability))
    old, now = (
        np.array([quantiles_ns(trial, estimated) for trial in arm]).reshape(len(arm), len(estimated))
        for arm in (base, new)
    )
    log_old, log_now = (np.log(np.maximum(values, 1)) for values in (old, now))
    ratio = hodges_lehmann(log_old[None], log_now[None], paired=paired)[0]
    reach, reached = bootstrap_band(log_old, log_now, paired=paired, seed=seed, level=level)
    return Shift(
        probabilities=estimated,
        base_ns=np.sort(old, axis=0)[(len(base) - 1) // 2] if estimated else np.zeros(0),
        ratio=np.exp(ratio),
        low=np.exp(ratio - reach),
        high=np.exp(ratio + reach),
        level=reached,
        refused=tuple(probability for probability in probabilities if probability not in estimated),
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
    shifts: Floats = np.median(changes, axis=1)
    return shifts


def bootstrap_band(base: Floats, new: Floats, *, paired: bool, seed: int, level: float) -> tuple[Floats, float]:
    """Return the half-width of the band around the shift of each quantile, and its level.

    A few trials vary less than the population that they are drawn from. The standard errors are therefore widened as
    those of a sample, and the critical value is that of Student's distribution instead of the normal one.
    """
    require_package("scipy", "compare", "Comparing runs")
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
    """Return the shifts of arms whose trials are drawn with replacement, shape (RESAMPLES, quantiles)."""
    rng = np.random.default_rng(seed)
    trials, others = len(base), len(new)
    pairs = trials * (trials + 1) // 2 if paired else trials * others
    batch = max(1, NUMBERS_AT_ONCE // (pairs * base.shape[1]))
    shifts = []
    for done in range(0, RESAMPLES, batch):
        count = min(batch, RESAMPLES - done)
        base_rows = rng.integers(0, trials, (count, trials))
        new_rows = base_rows if paired else rng.integers(0, others, (count, others))
        shifts.append(hodges_lehmann(base[base_rows], new[new_rows], paired=paired))
    return np.concatenate(shifts)
