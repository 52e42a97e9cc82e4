# SPDX-License-Identifier: MIT
"""When and how often a storm came back to a port."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stress.model.plan import Close
from stress.model.run import Storm

TCP_TIMEWAIT_LEN_NS = 60 * 10**9  # include/net/tcp.h


def previous_use(local_port: npt.NDArray[np.uint16]) -> npt.NDArray[np.int64]:
    """Return for each attempt the last one before it from the same port, -1 for none; port 0 is none, too."""
    order = np.argsort(local_port, kind="stable")
    ports = local_port[order]
    previous = np.full(len(local_port), -1, np.int64)
    again = np.flatnonzero((ports[1:] == ports[:-1]) & (ports[1:] != 0))
    previous[order[again + 1]] = order[again]
    return previous


def still_taken(storm: Storm) -> npt.NDArray[np.bool_]:
    """Return whether each attempt's port was still taken by the last one that connected from it, shape (attempts,).

    It was when that one holds it, or closed it by FIN less than TCP_TIMEWAIT_LEN ago.
    """
    attempts, plan = storm.attempts, storm.act.plan
    taken = np.zeros(len(attempts), np.bool_)
    if plan.close is Close.RST or not len(attempts):
        return taken
    order = np.argsort(attempts["local_port"], kind="stable")
    ports, places = attempts["local_port"][order], np.arange(len(order))
    first = np.maximum.accumulate(np.where(np.append(True, ports[1:] != ports[:-1]), places, 0))
    last = np.maximum.accumulate(np.where(attempts["error"][order] == 0, places, -1))
    before = np.append(-1, last[:-1])  # the last connection before each place, of whatever port
    own = before >= first
    passed_ns = attempts["start_ns"][order] - attempts["start_ns"][order[np.maximum(before, 0)]]
    taken[order] = own & ((plan.close is Close.HOLD) | (passed_ns < TCP_TIMEWAIT_LEN_NS))
    return taken


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
