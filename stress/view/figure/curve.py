# SPDX-License-Identifier: MIT
"""A curve of the complementary CDF: latencies, and the line that they make."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from stress.model.latency_counts import LatencyCounts

GRID = 1000  # cells along an axis; of the steps in one cell, the first and the last are drawn
TAIL = 1000  # of the slowest attempts, every one is a step

Dashes = Literal["-"] | tuple[float, tuple[float, ...]]


@dataclass(frozen=True)
class Curve:
    """One line of the figure.

    Attributes:
        label: for the legend.
        latencies: how often each occurred.
        whole: the number of attempts that is a share of 1.
    """

    label: str
    latencies: LatencyCounts
    whole: int
    colour: str
    dashes: Dashes = "-"
    width_pt: float = 1.6
    marker: str = "None"

    def steps(self, low_ns: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return latencies (ns), and the shares of attempts that took longer, each valid until the next latency.

        Steps too close to be told apart on logarithmic axes from ``low_ns`` are left out; the others are exact.
        """
        attempts = len(self.latencies)
        if not attempts:
            return np.zeros(0, np.int64), np.zeros(0)
        at_ns = self.latencies.latency_ns
        longer = attempts - np.cumsum(self.latencies.counts)
        across = np.log(np.maximum(at_ns, low_ns) / low_ns)
        down = np.log(np.maximum(longer, 0.5) / self.whole)
        column, row = (
            (values * (GRID / max(float(np.ptp(values)), 1e-9))).astype(np.int64) for values in (across, down)
        )
        new = (np.diff(column) != 0) | (np.diff(row) != 0)
        drawn = np.append(True, new) | np.append(new, True) | (longer < TAIL)
        share_before = attempts / self.whole
        start_ns = min(int(low_ns), int(at_ns[0]))
        return np.append(start_ns, at_ns[drawn]), np.append(share_before, longer[drawn] / self.whole)
