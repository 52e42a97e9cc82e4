# SPDX-License-Identifier: MIT
"""When and how often a storm used a port again."""

import errno
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.outcome import has_sent_syn
from stress.model.mine import Release
from stress.model.plan import Close, Serve
from stress.model.run import PORTS, Storm

TCP_TIMEWAIT_LEN_NS = 60 * 10**9  # include/net/tcp.h
ENDLESS_NS = 1 << 62


def tuple_numbers(attempts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return a number for each attempt's 4-tuple, shape (attempts,)."""
    numbers: npt.NDArray[np.int64] = attempts["address"].astype(np.int64) * PORTS + attempts["local_port"]
    return numbers


def previous_use(attempts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the attempt before each one on the same 4-tuple; -1 for none, as for attempts without a port.

    Shape (attempts,).
    """
    numbers = tuple_numbers(attempts)
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    previous = np.full(len(attempts), -1, np.int64)
    again = np.flatnonzero((numbers[1:] == numbers[:-1]) & (numbers[1:] % PORTS != 0))
    previous[order[again + 1]] = order[again]
    return previous


def is_port_still_taken(storm: Storm) -> npt.NDArray[np.bool_]:
    """Return whether each attempt that got no port asked for one that the storm itself still held, shape (attempts,).

    It did when an earlier attempt on the 4-tuple had not ended, holds the connection, or closed it by FIN less than
    TCP_TIMEWAIT_LEN ago. Workers never share a 4-tuple that the plan lists, so the earlier attempts are known.
    """
    attempts, plan = storm.attempts, storm.act.plan
    taken = np.zeros(len(attempts), np.bool_)
    refused = np.isin(attempts["error"], (errno.EADDRINUSE, errno.EADDRNOTAVAIL))
    if not refused.any():
        return taken
    numbers = tuple_numbers(attempts)
    rows = np.flatnonzero(np.isin(numbers, numbers[refused]))
    rows = rows[np.argsort(numbers[rows], kind="stable")]
    own, numbers = attempts[rows], numbers[rows]
    until_ns = own["start_ns"] + own["latency_ns"] + own["close_ns"]
    connected = own["error"] == 0
    if plan.close is Close.HOLD:
        until_ns[connected] = ENDLESS_NS
    elif plan.close is Close.FIN:
        until_ns[connected] += TCP_TIMEWAIT_LEN_NS
    until_ns[~has_sent_syn(own)] = -1
    # The latest end among the earlier attempts on the same 4-tuple, by its rank, so that 4-tuples stay apart.
    by_end = np.argsort(until_ns)
    rank = np.empty(len(rows), np.int64)
    rank[by_end] = np.arange(len(rows))
    another = np.append(True, numbers[1:] != numbers[:-1])
    latest = np.maximum.accumulate(np.cumsum(another) * len(rows) + rank) % len(rows)
    before_ns = np.where(another, -1, until_ns[by_end[np.append(0, latest[:-1])]])
    taken[rows] = refused[rows] & (before_ns > own["start_ns"])
    return taken


def reuse_distances(attempts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return how many attempts later each port that was used again came, shape (reuses,)."""
    previous = previous_use(attempts)
    again = np.flatnonzero(previous >= 0)
    return again - previous[again]


def reuse_delays_ns(attempts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return how long after its close() each port was used again, shape (reuses,)."""
    used = attempts[attempts["local_port"] != 0]
    previous = previous_use(used)
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


def count_ports_held(storm: Storm, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    """Return how many 4-tuples the storm itself held when each of some attempts began, shape (rows,).

    An attempt holds its own from its start until it ends; when it connected, until the plan's close() has freed it, or
    it is used again.
    """
    attempts, plan = storm.attempts, storm.act.plan
    used = attempts[has_sent_syn(attempts) & (attempts["local_port"] != 0)]
    ends_ns = used["start_ns"] + used["latency_ns"] + used["close_ns"]
    connected = used["error"] == 0
    if plan.close is Close.HOLD:
        ends_ns[connected] = ENDLESS_NS
    elif plan.close is Close.FIN:
        ends_ns[connected] += TCP_TIMEWAIT_LEN_NS
    previous = previous_use(used)
    again = np.flatnonzero(previous >= 0)
    ends_ns[previous[again]] = np.minimum(ends_ns[previous[again]], used["start_ns"][again])
    moments_ns = attempts["start_ns"][rows]
    begun = np.searchsorted(np.sort(used["start_ns"]), moments_ns, "right")
    ended: npt.NDArray[np.int64] = np.searchsorted(np.sort(ends_ns), moments_ns, "right")
    return begun - ended


def count_recycled(storm: Storm) -> int:
    """Return how many attempts connected from a port whose last connection had not left FIN_WAIT_2 or TIME_WAIT.

    A port that the client closed by FIN is in TIME_WAIT for a minute once the server has closed too. Until then
    connect() can have it only by taking it over (tcp_twsk_unique()). Where the server leaks, FIN_WAIT_2 ends by
    itself.
    """
    plan, attempts = storm.act.plan, storm.attempts
    count = 0
    closed_first = plan.close is Close.FIN and plan.serve is Serve.CLOSE
    if plan.release is not Release.KEEP and not closed_first:
        return count
    connected = attempts[attempts["error"] == 0]
    if plan.release is Release.KEEP:
        count += len(np.intersect1d(storm.tuples(connected), storm.tuples(storm.mines)))
    if closed_first:
        tuples = storm.tuples(connected)
        order = np.argsort(tuples, kind="stable")
        same = np.diff(tuples[order]) == 0
        count += int((same & (np.diff(connected["start_ns"][order]) < TCP_TIMEWAIT_LEN_NS)).sum())
    return count
