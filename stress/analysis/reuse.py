# SPDX-License-Identifier: MIT
"""When and how often a storm came back to a port."""

from typing import Any

import numpy as np
import numpy.typing as npt


def previous_use(local_port: npt.NDArray[np.uint16]) -> npt.NDArray[np.int64]:
    """Return for each attempt the last one before it from the same port, -1 for none; port 0 is none, too."""
    order = np.argsort(local_port, kind="stable")
    ports = local_port[order]
    previous = np.full(len(local_port), -1, np.int64)
    again = np.flatnonzero((ports[1:] == ports[:-1]) & (ports[1:] != 0))
    previous[order[again + 1]] = order[again]
    return previous


def reuse_distances(attempts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return how many attempts later each port that came again did, shape (reuses,)."""
    previous = previous_use(attempts["local_port"])
    again = np.flatnonzero(previous >= 0)
    return again - previous[again]


def reuse_delays_ns(attempts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return how long after its close() each port that came again was used again, shape (reuses,)."""
    used = attempts[attempts["local_port"] != 0]
    previous = previous_use(used["local_port"])
    again = np.flatnonzero(previous >= 0)
    before = used[previous[again]]
    delays: npt.NDArray[np.int64] = (
        used["start_ns"][again] - before["start_ns"] - before["latency_ns"] - before["close_ns"]
    )
    return delays


def expected_hits(attempts: int, mines: int, ports: int) -> float:
    """Return how many mines this many attempts from ports drawn at random would meet, each mine once.

    A given mine is missed by all of them with probability (1 - 1/ports)**attempts.
    """
    return float(mines * -np.expm1(attempts * np.log1p(-1 / ports))) if ports > 1 else float(min(mines, attempts))
