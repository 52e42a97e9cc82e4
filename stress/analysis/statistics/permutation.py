# SPDX-License-Identifier: MIT
"""Permutation distributions: the results that two arms could have had with equal probability, if nothing changed.

For ranks, the distribution of a sum over all arrangements is computed weight by weight, exactly and with any ties
(Pagano and Tritchler 1983); for very many trials it is normal. For values there is no such algorithm: all arrangements
are enumerated where they are few, else a random sample of them, which is always the same.
"""

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

ARRANGEMENTS_MAX = 20_000  # all arrangements of 14 blocks, or of 8 trials per arm; of more trials this many are sampled
SEED = 1969
EXACT_PAIRS_MAX = 2500  # pairs of trials, 50 per arm; with more the exact distribution takes long, and is normal

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@lru_cache(maxsize=64)
def subsets(size: int) -> Bools:
    """Return all subsets that are not empty, or a sample of them, shape (subsets, size)."""
    if 2**size <= ARRANGEMENTS_MAX:
        every: Bools = (np.arange(1, 2**size)[:, np.newaxis] >> np.arange(size)) % 2 == 1
        return every
    drawn = np.random.default_rng(SEED).random((ARRANGEMENTS_MAX - 1, size)) < 0.5
    return drawn[drawn.any(1)]


@lru_cache(maxsize=64)
def exchanges(base: int, new: int) -> tuple[Bools, Bools]:
    """Return which trials of the arms are exchanged, the same number of both and at least one.

    Args:
        base: number of trials of the base arm.
        new: number of trials of the new arm.

    Returns:
        Masks of the base arm, shape (exchanges, base), and of the new arm, shape (exchanges, new).
    """
    size = base + new
    if math.comb(size, base) <= ARRANGEMENTS_MAX:
        places = np.array(list(itertools.combinations(range(size), base)))
    else:
        drawn = np.random.default_rng(SEED).random((ARRANGEMENTS_MAX - 1, size))
        places = drawn.argsort(1)[:, :base]
    in_base = np.zeros((len(places), size), np.bool_)
    np.put_along_axis(in_base, places, values=True, axis=1)
    from_base, from_new = ~in_base[:, :base], in_base[:, base:]
    changed = from_new.any(1)
    return from_base[changed], from_new[changed]


def doubled_ranks(values: Floats) -> npt.NDArray[np.int64]:
    """Return twice the rank of each value, from 2 on: equal values share their mean rank, which may end in a half."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: npt.NDArray[np.int64] = (2 * np.cumsum(counts) - counts + 1)[place]
    return ranks


def subset_sums(weights: Sequence[int]) -> Floats:
    """Return the probability of each sum of a random subset of the weights, from 0 on."""
    chances = np.zeros(sum(weights) + 1)
    chances[0] = 1
    for weight in weights:
        chances[weight:] += chances[:-weight]
        chances /= 2
    return chances


@lru_cache(maxsize=64)
def split_sums(weights: tuple[int, ...], size: int) -> Floats:
    """Return the probability of each sum of a random subset of this size, from 0 on."""
    ways = np.zeros((size + 1, sum(weights) + 1))
    ways[0, 0] = 1
    for weight in weights:
        ways[1:, weight:] += ways[:-1, :-weight]
    chances: Floats = ways[size] / ways[size].sum()
    return chances


@lru_cache(maxsize=256)
def signed_rank_tails(size: int) -> Floats:
    """Return the probabilities that the sum of positive ranks is at most 0, 1, ... (Wilcoxon)."""
    return np.cumsum(subset_sums(range(1, size + 1)))


@lru_cache(maxsize=256)
def rank_sum_tails(base: int, new: int) -> Floats:
    """Return the probabilities that at most 0, 1, ... pairs are in one order (Mann and Whitney)."""
    pairs, least = base * new, new * (new + 1) // 2
    if pairs > EXACT_PAIRS_MAX:
        normal = NormalDist(pairs / 2, math.sqrt(pairs * (base + new + 1) / 12))
        return np.array([normal.cdf(count + 0.5) for count in range(pairs + 1)])
    return np.cumsum(split_sums(tuple(range(1, base + new + 1)), new)[least : least + pairs + 1])


def signed_rank_p(ranks: npt.NDArray[np.int64], positive: npt.NDArray[np.bool_]) -> float:
    """Return the two-sided p of the sum of the positive ranks, if both signs are equally probable.

    Args:
        ranks: doubled ranks of the changes that have a sign.
        positive: which of the changes are positive.
    """
    return two_sided_p(subset_sums(ranks.tolist()), int(ranks[positive].sum()))


def rank_sum_p(ranks: npt.NDArray[np.int64], new: int) -> float:
    """Return the two-sided p of the rank sum of the new arm, if every trial is equally likely to be in either arm.

    Args:
        ranks: doubled ranks of all trials, those of the new arm first.
        new: number of trials of the new arm.
    """
    observed = int(ranks[:new].sum())
    base = ranks.size - new
    if base * new <= EXACT_PAIRS_MAX:
        return two_sided_p(split_sums(tuple(sorted(ranks.tolist())), new), observed)
    deviation = math.sqrt(base * new / ranks.size * float(ranks.var(ddof=1)))  # ties lower it
    if deviation == 0:
        return 1.0
    distance = max(0.0, abs(observed - new * float(ranks.mean())) - 1)  # ranks are doubled: half a rank of continuity
    return math.erfc(distance / deviation / math.sqrt(2))


def two_sided_p(chances: Floats, observed: int) -> float:
    """Return the probability of a sum at least as extreme as the observed one, on either side.

    Args:
        chances: probability of each sum, from 0 on.
        observed: the sum.
    """
    return min(1.0, 2 * float(min(chances[: observed + 1].sum(), chances[observed:].sum())))
