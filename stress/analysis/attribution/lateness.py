# SPDX-License-Identifier: MIT
"""Lateness: attempts whose SYN may have been answered after it was sent again, so that nothing need have been lost.

A SYN that was sent again may have been lost, or its answer; or one of the two was late by more than the timeout. No
counter tells these apart: what makes up for a lost SYN in a sum may as well be an ACK or an RST that was lost. Times
do: after a loss the answer to the last SYN comes within a round trip, and how long that takes is known from the
attempts that connected with their first SYN. One that began later, and had connected before the SYN was due to be sent
again, has overtaken the answer, if there was one: links and queues keep the order. A client that does not run sees
answers late, so that its times say how long they took at most.
"""

import errno
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.ends import is_across_link
from stress.analysis.attribution.ladder import LATE_JIFFIES, Ladder, wheel_slack_jiffies
from stress.analysis.attribution.refused import count_self_connected
from stress.analysis.attribution.syns import Syns
from stress.model.plan import Serve
from stress.model.run import Storm
from stress.model.stall import StallKind
from stress.model.world import SERVER

SLEEP_NS = 11_000_000  # the longest sleep that the loop asks for; a stall in a sleep is known to last from its end on
BEGINNING_NS = 1_000_000  # a stall that began so soon after an attempt may have held its SYN back
# How much slower the path must have been than for any attempt that tells, before an answer was late. A resend that an
# old socket hastened is answered after two round trips.
MARGIN = 3
CHUNK = 1 << 20  # attempts that are looked at together


def overlap_ns(
    storm: Storm, attempts: npt.NDArray[Any], due_ns: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.int64]:
    """Return for how long of its latency each attempt was in flight during stalls of its worker, shape (attempts,).

    Args:
        storm: of the stalls.
        attempts: some of its attempts.
        due_ns: shape (attempts,), the part of each latency in which a stall delayed nothing, unless it began with the
            attempt.
    """
    starts = attempts["start_ns"]
    ends = starts + attempts["latency_ns"]
    overlap = np.zeros(len(attempts), np.int64)
    for stall in storm.act.stalls:
        began_ns = stall.start_ns + (SLEEP_NS if stall.kind is StallKind.SLEEP else 0)
        since = starts
        if due_ns is not None:
            since = np.where(began_ns <= starts + BEGINNING_NS, starts, starts + due_ns)
        both = np.minimum(ends, stall.end_ns) - np.maximum(since, began_ns)
        overlap += np.where(attempts["worker"] == stall.worker, np.maximum(both, 0), 0)
    return overlap


def has_repeated_syns(storm: Storm, syns: Syns) -> bool:
    """Return whether the server may have got a SYN twice, of any attempt.

    It answers a SYN for which it has a request by its SYN-ACK again, unless it did so just before (tcp_check_req(),
    TCPACKSkippedSynRecv), one for which it has a connection by a challenge ACK, and one whose connection is gone by
    a SYN-ACK that the client resets.
    """
    server = storm.act.hosts[SERVER].counters if SERVER in storm.act.hosts else storm.act.counters
    own = 0 if SERVER in storm.act.hosts else int(storm.attempts["retransmits"].sum(dtype=np.int64))
    answers = server.get("TCPSynRetrans", 0) - own + server.get("TCPACKSkippedSynRecv", 0)
    challenges = server.get("TCPSYNChallenge", 0) - int(syns.challenged.sum(dtype=np.int64))
    embryonic = server.get("EmbryonicRsts", 0)
    return answers > 0 or challenges > 0 or (embryonic > 0 and embryonic != count_overtaken_acks(storm, server))


def count_overtaken_acks(storm: Storm, server: Mapping[str, int]) -> int | None:
    """Return how many RSTs of the attempts came before the last ACK of their own handshake; None where nobody knows.

    Such an RST, sent from another CPU than the ACK, raises EmbryonicRsts, too (tcp_check_req()). That is common on an
    idle machine where a timer sent the SYN again (seen on Linux 6.18 and 7.2, not on 6.1 and 6.12). The connections of
    these attempts are those that the server neither accepted nor has in its queue, where nothing else can take one from
    it: a full queue, a listener that closes with its queue, a SYN cookie whose ACK was lost, or a half-open one that
    is still there.

    Args:
        storm: of the attempts.
        server: by how much the counters of the server's host rose.
    """
    act = storm.act
    taken = ("ListenDrops", "ListenOverflows", "SyncookiesSent")
    half_open = act.census_after.get("server", {}).get("SYN-RECEIVED", 0)
    is_watched = not act.plan.is_external and act.plan.serve is not Serve.NOBODY and bool(act.census_after)
    is_closed = act.plan.stuck_until_s is not None
    if not is_watched or is_across_link(act) or is_closed or half_open or any(server.get(name, 0) for name in taken):
        return None
    connected = int((storm.attempts["error"] == 0).sum()) - count_self_connected(storm)
    return connected - act.listener.accepted - (act.waiting - act.waiting_before)


def sending_times(ladder: Ladder) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return when each SYN of an unanswered attempt is sent at the earliest and at the latest, the first one at 0."""
    due_ns = np.array([0, *ladder.due_ns], np.int64)
    slack = np.cumsum([wheel_slack_jiffies(wait) for wait in (np.diff(due_ns) // ladder.jiffy_ns).tolist()])
    latest_ns = due_ns.copy()
    latest_ns[1:] += (slack + 1 + LATE_JIFFIES) * ladder.jiffy_ns
    return due_ns, latest_ns


def is_overtaken(all_attempts: npt.NDArray[Any], attempts: npt.NDArray[Any], within_ns: int) -> npt.NDArray[np.bool_]:
    """Return which attempts another one has passed: it began later, and had connected in time.

    Args:
        all_attempts: of the storm, in the order of their starts.
        attempts: some of them that did not connect with their first SYN.
        within_ns: the time, from the start of the attempt that is passed.

    Returns:
        shape (attempts,).
    """
    overtaken = np.zeros(len(attempts), np.bool_)
    starts, next_start, soonest = attempts["start_ns"], np.iinfo(np.int64).max, np.iinfo(np.int64).max
    for begin in range((len(all_attempts) - 1) // CHUNK * CHUNK, -1, -CHUNK):
        part = all_attempts[begin : begin + CHUNK]
        first_start = int(part["start_ns"][0]) if begin else np.iinfo(np.int64).min
        part = part[part["error"] == 0]
        part = part[np.argsort(part["start_ns"], kind="stable")]
        ends = np.append(part["start_ns"] + part["latency_ns"], soonest)
        soonest_after = np.minimum.accumulate(ends[::-1])[::-1]
        own = (starts >= first_start) & (starts < next_start)
        after = np.searchsorted(part["start_ns"], starts[own], "right")
        overtaken[own] = soonest_after[after] <= starts[own] + within_ns
        next_start, soonest = first_start, int(soonest_after[0])
    return overtaken


def may_be_late(
    storm: Storm, rows: npt.NDArray[np.intp], ladder: Ladder, at_once_ns: int, *, has_repeats: bool
) -> npt.NDArray[np.bool_]:
    """Return which attempts may have got a late answer to their first SYN, or none yet, shape (rows,).

    Args:
        storm: what was observed.
        rows: the attempts that did not connect at once.
        ladder: of the storm's kernel and settings.
        at_once_ns: within what time an attempt connects at once.
        has_repeats: whether the server may have got a SYN twice.
    """
    attempts = storm.attempts[rows]
    retransmits, latency_ns = attempts["retransmits"].astype(np.int64), attempts["latency_ns"]
    connected = attempts["error"] == 0
    first, again = connected & (retransmits == 0), connected & (retransmits > 0)
    due_ns, latest_ns = sending_times(ladder)
    place = np.minimum(retransmits, len(ladder.due_ns))
    seen_ns = latency_ns - latest_ns[place]
    late_ns = seen_ns - overlap_ns(storm, attempts, due_ns[place])
    longest_ns = max(int(late_ns[first].max(initial=0)), at_once_ns)
    off_rung, seen_off_rung = again & (late_ns > longest_ns), again & (seen_ns > longest_ns)
    # A hastened resend was answered before that of a lost SYN was due, after two round trips and one rung less.
    hastened = again & (latency_ns < due_ns[place])
    trips_ns = latency_ns - due_ns[place] + due_ns[np.minimum(place, 1)]
    longest_ns = max(longest_ns, int(late_ns[again].max(initial=0)), int(trips_ns[hastened].max(initial=0)))
    late = seen_off_rung | (latency_ns < MARGIN * longest_ns) | (again & has_repeats)
    if not storm.act.clients:  # several clients do not have one path
        late &= ~is_overtaken(storm.attempts, attempts, int(due_ns[min(1, len(ladder.due_ns))]))
    late |= off_rung | (latency_ns < longest_ns)
    waited = again | np.isin(attempts["error"], (errno.ETIMEDOUT, errno.EINPROGRESS))
    return np.asarray(late & waited, np.bool_)
