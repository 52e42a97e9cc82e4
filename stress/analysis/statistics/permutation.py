# SPDX-License-Identifier: MIT
"""Arrangements: what the trials of two arms could have come to just as well, if nothing changed.

Of ranks, the distribution over all arrangements of a sum is worked out weight by weight, exactly and whatever ties
there are (Pagano and Tritchler 1983); of very many trials it is normal. Of values there is no such way: all
arrangements are gone through where they are few, else a drawn sample of them, always the same one.
"""

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

ARRANGEMENTS_MAX = 20_000  # so many are gone through: of 14 blocks, or of 8 trials an arm; of more, as many are drawn
SEED = 1969
EXACT_PAIRS_MAX = 2500  # pairs of trials, from 50 an arm on: the exact distribution of ranks takes long, and is normal

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@lru_cache(maxsize=64)
def subsets(size: int) -> Bools:
    """Return subsets that are not empty, shape (subsets, size): all, or as many as are gone through, drawn."""
    if 2**size <= ARRANGEMENTS_MAX:
        every: Bools = (np.arange(1, 2**size)[:, np.newaxis] >> np.arange(size)) % 2 == 1
        return every
    drawn = np.random.default_rng(SEED).random((ARRANGEMENTS_MAX - 1, size)) < 0.5
    return drawn[drawn.any(1)]


@lru_cache(maxsize=64)
def exchanges(base: int, new: int) -> tuple[Bools, Bools]:
    """Return which trials of either arm change places, as many of one as of the other and one at least."""
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
    """Return twice the rank of each value, from 2 on: alike ones share the mean of theirs, which may be a half."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: npt.NDArray[np.int64] = (2 * np.cumsum(counts) - counts + 1)[place]
    return ranks


def subset_sums(weights: Sequence[int]) -> Floats:
    """Return how likely each sum of a random subset of the weights is, from 0 on."""
    chances = np.zeros(sum(weights) + 1)
    chances[0] = 1
    for weight in weights:
        chances[weight:] += chances[:-weight]
        chances /= 2
    return chances


@lru_cache(maxsize=64)
def split_sums(weights: tuple[int, ...], size: int) -> Floats:
    """Return how likely each sum of a random subset of this size is, from 0 on."""
    ways = np.zeros((size + 1, sum(weights) + 1))
    ways[0, 0] = 1
    for weight in weights:
        ways[1:, weight:] += ways[:-1, :-weight]
    chances: Floats = ways[size] / ways[size].sum()
    return chances


@lru_cache(maxsize=256)
def signed_rank_tails(size: int) -> Floats:
    """Return how likely a sum of positive ranks of no more than 0, 1, ... is (Wilcoxon)."""
    return np.cumsum(subset_sums(range(1, size + 1)))


@lru_cache(maxsize=256)
def rank_sum_tails(base: int, new: int) -> Floats:
    """Return how likely it is that no more than 0, 1, ... pairs are in one order (Mann and Whitney)."""
    pairs, least = base * new, new * (new + 1) // 2
    if pairs > EXACT_PAIRS_MAX:
        normal = NormalDist(pairs / 2, math.sqrt(pairs * (base + new + 1) / 12))
        return np.array([normal.cdf(count + 0.5) for count in range(pairs + 1)])
    return np.cumsum(split_sums(tuple(range(1, base + new + 1)), new)[least : least + pairs + 1])


def signed_rank_p(ranks: npt.NDArray[np.int64], positive: npt.NDArray[np.bool_]) -> float:
    """Return how likely a sum of ranks as far out as that of the positive ones is, if signs are as likely.

    Args:
        ranks: of the changes that have a sign.
        positive: which of them rise.
    """
    return two_sided_p(subset_sums(ranks.tolist()), int(ranks[positive].sum()))


def rank_sum_p(ranks: npt.NDArray[np.int64], new: int) -> float:
    """Return how likely a sum of ranks as far out as that of the first ones is, if all are as likely to be in an arm.

    Args:
        ranks: of all trials.
        new: how many of them, from the first on, are of the new arm.
    """
    seen = int(ranks[:new].sum())
    base = ranks.size - new
    if base * new <= EXACT_PAIRS_MAX:
        return two_sided_p(split_sums(tuple(sorted(ranks.tolist())), new), seen)
    deviation = math.sqrt(base * new / ranks.size * float(ranks.var(ddof=1)))  # ties lower it
    if deviation == 0:
        return 1.0
    out = max(0.0, abs(seen - new * float(ranks.mean())) - 1)  # ranks are doubled: half a rank of continuity
    return math.erfc(out / deviation / math.sqrt(2))


def two_sided_p(chances: Floats, seen: int) -> float:
    """Return how likely a sum as far out as the one seen is, on either side."""
    return min(1.0, 2 * float(min(chances[: seen + 1].sum(), chances[seen:].sum())))
