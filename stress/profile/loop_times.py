# SPDX-License-Identifier: MIT
"""Where the time of an attempt goes by the loop's own timestamps alone: what is left to say without a profiler."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.model.run import Run


@dataclass(frozen=True)
class LoopTimes:
    """The mean times of an attempt of one storm (ns).

    Attributes:
        act: its name.
        connect_ns: connect(), until the socket was seen connected or failed.
        close_ns: close().
        measured_ns: the time of a client's loop for an attempt.
    """

    act: str
    connect_ns: float
    close_ns: float
    measured_ns: float

    @property
    def rest_ns(self) -> float:
        """All else: socket() and bind(), the loop itself, and waiting."""
        return self.measured_ns - self.connect_ns - self.close_ns


def loop_times(run: Run) -> Iterator[LoopTimes]:
    """Yield the times of each storm whose clients made one attempt after the other; elsewhere attempts overlap."""
    for storm in run.storms():
        act, attempts = storm.act, storm.attempts
        if len(attempts) and not have_overlap(attempts):
            duration_ns = act.phases[-1].end_ns - act.phases[0].end_ns
            yield LoopTimes(
                act=act.name,
                connect_ns=float(attempts["latency_ns"].mean()),
                close_ns=float(attempts["close_ns"].mean()),
                measured_ns=duration_ns * act.plan.workers / len(attempts),
            )


def have_overlap(attempts: npt.NDArray[Any]) -> bool:
    """Return whether a client had several attempts, shape (attempts,), dtype ATTEMPT, in flight at a time."""
    for worker in np.unique(attempts["worker"]):
        own = attempts[attempts["worker"] == worker]
        ends_ns = own["start_ns"] + own["latency_ns"] + own["close_ns"]
        if (ends_ns[:-1] > own["start_ns"][1:]).any():
            return True
    return False
