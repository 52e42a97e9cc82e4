# SPDX-License-Identifier: MIT
"""Arrays part by part: what is computed of a hundred million attempts needs memory for few of them at a time."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

CHUNK = 1 << 18


def chunks(count: int) -> Iterator[slice]:
    """Yield slices that together are all rows of an array, in their order."""
    for first in range(0, count, CHUNK):
        yield slice(first, min(first + CHUNK, count))


def fill_mask(
    attempts: npt.NDArray[Any], is_so: Callable[[npt.NDArray[Any]], npt.NDArray[np.bool_]]
) -> npt.NDArray[np.bool_]:
    """Return what ``is_so`` says of each attempt, shape (attempts,)."""
    mask = np.empty(len(attempts), np.bool_)
    for part in chunks(len(attempts)):
        mask[part] = is_so(attempts[part])
    return mask


def count_values(values: npt.NDArray[Any], minlength: int = 0) -> npt.NDArray[np.intp]:
    """Return how often each number occurs; ``np.bincount`` would copy all of them, with eight bytes for each."""
    total = np.zeros(minlength, np.intp)
    for part in chunks(len(values)):
        counts = np.bincount(values[part])
        if len(counts) > len(total):
            total = np.append(total, np.zeros(len(counts) - len(total), np.intp))
        total[: len(counts)] += counts
    return total
