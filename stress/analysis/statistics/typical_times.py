# SPDX-License-Identifier: MIT
"""What an attempt typically takes: medians over a storm, which a few attempts that waited do not move."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class TypicalTimes:
    """Median times of the attempts of a storm (ns).

    Attributes:
        attempt_ns: from the start of an attempt to that of the next one of the same worker: the whole loop.
        connect_ns: connect().
        close_ns: close().
    """

    attempt_ns: float
    connect_ns: float
    close_ns: float

    @property
    def rest_ns(self) -> float:
        """What is neither: socket(), bind(), and the loop."""
        return self.attempt_ns - self.connect_ns - self.close_ns


def typical_times(attempts: npt.NDArray[Any]) -> TypicalTimes | None:
    """Return the times of attempts, shape (attempts,), dtype ATTEMPT; None where no worker has two."""
    loops = [np.diff(np.sort(attempts["start_ns"][attempts["worker"] == one])) for one in np.unique(attempts["worker"])]
    loops_ns = np.concatenate(loops) if loops else np.zeros(0)
    if not loops_ns.size:
        return None
    connect_ns, close_ns = (float(np.median(attempts[field])) for field in ("latency_ns", "close_ns"))
    return TypicalTimes(float(np.median(loops_ns)), connect_ns, close_ns)
