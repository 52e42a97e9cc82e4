# SPDX-License-Identifier: MIT
"""The walk of connect() through the port range, and how many of the ports it takes are marked.

__inet_hash_connect(), Linux 6.18, the same since 5.18 (commit ca7af0402550): the walk begins at an offset that is
secret for each pair of addresses and port of the target. It tries every second port from there until it has a free
one, first those of the parity of the range's low end, and only if none of these is free the others. Then the offset
advances to the port after that one, or by 1 to 8 ports of the parity at random, whichever is farther. A socket with
IP_LOCAL_PORT_RANGE tries every port (since Linux 6.8, commit 207184853dbd).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

RANDOM_STEPS = 8  # get_random_u32_below(8): the offset advances by 1 to 8 ports
WALKS = 1024  # how many are made; the share of the 2.5 % at either end is known to half a percent
SEED = 20260316

Ports = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def list_passes(low: int, high: int) -> tuple[Ports, Ports]:
    """Return the ports of the first and of the second pass, in the order of a walk, which wraps around.

    Of a range with an odd number of ports, the first pass has the top port instead of the low one, unless it begins
    there: ``remaining &= ~1U``, and a port is out of the range only above the top.
    """
    count = high - low + 1
    if count == 1:
        return np.array([low], np.int64), np.empty(0, np.int64)
    first = np.arange(low, low + (count & ~1), 2, dtype=np.int64)
    second = first + 1
    if count % 2:
        first[0] = high
    return first, second


def distance_to_free(free: Mask) -> Ports:
    """Return how many places each place of a ring is before the first free one, itself included, shape (places,).

    Args:
        free: at least one is.
    """
    size = len(free)
    places = np.flatnonzero(free)
    following = np.searchsorted(places, np.arange(size))
    distances: Ports = np.append(places, places[0] + size)[following] - np.arange(size)
    return distances


def count_marked(free: Mask, marked: Mask, connects: Sequence[int], *, walks: int = WALKS) -> npt.NDArray[np.int64]:
    """Return how many marked ports walks from all over a ring have taken after so many connects.

    Each port that is taken is free again at once, and without its mark: an RST has cleared the old socket.

    Args:
        free: which ports of the ring connect() can have, shape (places,); at least one.
        marked: which of them are marked, shape (places,).
        connects: numbers of connects, ascending.
        walks: how many walks to make; their first offsets are spread evenly over the ring.

    Returns:
        shape (walks, connects).
    """
    size = len(free)
    generator = np.random.default_rng(SEED)
    distances = distance_to_free(free)
    numbers = np.cumsum(marked) - 1  # of the marked ports
    taken = (np.arange(size) + distances) % size
    offsets = (np.arange(walks) * size // walks + generator.integers(0, max(size // walks, 1), walks)) % size
    steps = generator.integers(1, RANDOM_STEPS + 1, (connects[-1], walks), dtype=np.uint8)
    has_met = np.zeros((walks, int(np.count_nonzero(marked)) + 1), np.bool_)
    row = np.arange(walks)
    counts = np.zeros(walks, np.int64)
    results = np.zeros((walks, len(connects)), np.int64)
    for connect in range(1, connects[-1] + 1):
        places = taken[offsets]
        meets = np.flatnonzero(marked[places])
        if len(meets):
            mines = numbers[places[meets]]
            new = ~has_met[row[meets], mines]
            has_met[row[meets], mines] = True
            counts[meets] += new
        offsets = (offsets + np.maximum(distances[offsets] + 1, steps[connect - 1])) % size
        for column, number in enumerate(connects):
            if number == connect:
                results[:, column] = counts
    return results


def mean_searched(first: Mask, second: Mask) -> float:
    """Return how many ports connect() looks at on average, over all places where it can begin.

    Args:
        first: which ports of the first pass are free, shape (places,).
        second: the same of the second pass.
    """
    if first.any():
        return float(distance_to_free(first).mean()) + 1
    if second.any():
        return len(first) + float(distance_to_free(second).mean()) + 1
    return float(len(first) + len(second))
