# SPDX-License-Identifier: MIT
"""How often each latency occurred: what percentiles and curves need of the latencies of a storm.

It has as many values as there are different latencies, some ten thousand of a hundred million.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MERGED_AT = 1 << 22  # values that wait to be merged


@dataclass(frozen=True)
class LatencyCounts:
    """How often each latency occurred.

    Attributes:
        latency_ns: those that did, ascending, shape (latencies,).
        counts: how often, shape (latencies,).
    """

    latency_ns: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of attempts."""
        return int(self.counts.sum())

    def quantiles_ns(self, *thousandths: int) -> list[int]:
        """Return the smallest latencies that so many thousandths of the attempts took at most; there are some."""
        upto = np.cumsum(self.counts)
        ranks = [max(-(-int(upto[-1]) * share // 1000), 1) for share in thousandths]
        return [int(self.latency_ns[place]) for place in np.searchsorted(upto, ranks)]


def count_latencies(parts: Iterable[npt.NDArray[np.int64]]) -> LatencyCounts:
    """Count latencies (ns) that come in parts."""
    total, waiting, size = merge_counts([]), [], 0
    for part in parts:
        waiting.append(LatencyCounts(*np.unique(part, return_counts=True)))
        size += len(waiting[-1].latency_ns)
        if size > max(MERGED_AT, len(total.latency_ns)):
            total, waiting, size = merge_counts([total, *waiting]), [], 0
    return merge_counts([total, *waiting])


def merge_counts(parts: Iterable[LatencyCounts]) -> LatencyCounts:
    """Return the counts of several parts together."""
    filled = [part for part in parts if len(part.latency_ns)]
    if len(filled) == 1:
        return filled[0]
    if not filled:
        return LatencyCounts(np.zeros(0, np.int64), np.zeros(0, np.int64))
    latency_ns = np.concatenate([part.latency_ns for part in filled])
    order = np.argsort(latency_ns, kind="stable")
    latency_ns, counts = latency_ns[order], np.concatenate([part.counts for part in filled])[order]
    first = np.flatnonzero(np.append(True, np.diff(latency_ns) > 0))
    return LatencyCounts(latency_ns[first], np.add.reduceat(counts, first))
