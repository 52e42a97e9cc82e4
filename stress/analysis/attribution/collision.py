# SPDX-License-Identifier: MIT
"""Which attempts met a mine, proved by the 4-tuple, not by the latency."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.outcome import has_sent_syn
from stress.analysis.attribution.port_reuse import previous_use
from stress.model.chunk import chunks, fill_mask
from stress.model.plan import Close, Serve
from stress.model.run import CLOSE_WAIT, Storm

# The listener closes 100 ms after accept() (stress/_listener.pyx), and later when it does not get its CPU at once.
SERVER_CLOSES_WITHIN_NS = 150_000_000


def detect_collisions(storm: Storm) -> npt.NDArray[np.bool_]:
    """Return whether each attempt's SYN met a mine, shape (attempts,).

    It did when it was sent from a mined 4-tuple on which no attempt had connected before: a connection on that
    4-tuple proves that the mine is gone, and until then every SYN on it reaches the mine. When the server leaks
    whatever the storm connects and closes with FIN, each connection leaves a mine for the next. Where the server
    closes only after a while, and the client's port was free at once because there was no timewait bucket
    (net.ipv4.tcp_max_tw_buckets), the server's socket is a mine for that while. An attempt that connected with no SYN
    sent again cannot have met one, for a mine never answers with a SYN-ACK (RFC 9293 section 3.10.7.4).
    """
    attempts = storm.attempts
    met = np.zeros(len(attempts), np.bool_)
    late = np.flatnonzero(is_late(attempts))
    late = late[has_sent_syn(attempts[late])]
    tuples = storm.tuples(attempts[late])
    mined = np.zeros(storm.tuple_count, np.bool_)
    mined[storm.tuples(storm.mines)] = True
    plan = storm.act.plan
    leaves_mines = plan.close is Close.FIN and (plan.serve is Serve.LEAK or has_leaking_server(storm))
    for_a_while = is_port_freed_at_once(storm)
    if not (leaves_mines or for_a_while):
        on_mine = mined[tuples]
        late, tuples = late[on_mine], tuples[on_mine]
    first = find_first_connections(storm, tuples)[tuples]
    on_mine = mined[tuples] & (late <= first)
    if leaves_mines:
        on_mine |= late > first
    elif for_a_while:
        on_mine |= has_connected_just_before(storm.attempts)[late]
    met[late[on_mine]] = True
    return met


def is_late(attempts: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which attempts failed, or connected after a SYN sent again, shape (attempts,)."""
    return fill_mask(attempts, lambda part: (part["error"] != 0) | (part["retransmits"] > 0))


def has_leaking_server(storm: Storm) -> bool:
    """Return whether a server of others leaks: it still holds every connection of the storm in CLOSE_WAIT after it."""
    if not storm.act.plan.host:
        return False
    connected = np.unique(storm.tuples(storm.attempts[storm.attempts["error"] == 0]))
    old = storm.tuples(storm.mines[(storm.mines["left"] == 1) & (storm.mines["state"] == CLOSE_WAIT)])
    leaked = storm.act.census_after.get("server", {}).get("CLOSE-WAIT", 0) - len(np.setdiff1d(old, connected))
    return 0 < len(connected) == leaked


def is_port_freed_at_once(storm: Storm) -> bool:
    """Return whether ports that the client closed by FIN were free before the server had closed as well.

    tcp_time_wait() frees the socket when there is no bucket left, and counts that as TCPTimeWaitOverflow.
    """
    plan = storm.act.plan
    overflowed = storm.act.counters.get("TCPTimeWaitOverflow", 0) > 0
    return overflowed and plan.serve is Serve.CLOSE and plan.close is Close.FIN


def has_connected_just_before(attempts: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return whether the server still has the connection of the attempt before on the same 4-tuple.

    Shape (attempts,); it does where that attempt connected less than SERVER_CLOSES_WITHIN_NS before.
    """
    previous = previous_use(attempts)
    before = attempts[previous]
    since_ns = attempts["start_ns"] - before["start_ns"] - before["latency_ns"]
    recent: npt.NDArray[np.bool_] = (previous >= 0) & (before["error"] == 0) & (since_ns < SERVER_CLOSES_WITHIN_NS)
    return recent


def find_first_connections(storm: Storm, tuples: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the first attempt that connected on each of some 4-tuples, shape (storm.tuple_count,).

    ``len(attempts)`` means none, as it does for 4-tuples that are not in ``tuples``.
    """
    first = np.full(storm.tuple_count, len(storm.attempts), np.int64)
    if not len(tuples):
        return first
    wanted = np.zeros(storm.tuple_count, np.bool_)
    wanted[tuples] = True
    for part in reversed([*chunks(len(storm.attempts))]):
        connected = np.flatnonzero(storm.attempts["error"][part] == 0)
        number = storm.tuples(storm.attempts[part][connected])
        connected, number = connected[wanted[number]] + part.start, number[wanted[number]]
        first[number[::-1]] = connected[::-1]  # the last assignment to an index wins: the first attempt
    return first
