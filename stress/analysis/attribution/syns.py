# SPDX-License-Identifier: MIT
"""What happened to the SYNs of each attempt: answered by a mine, not answered, or answered by the server."""

import errno
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.collision import is_late
from stress.analysis.attribution.counter_sums import may_lose_syns
from stress.analysis.attribution.crossings import count_crossings
from stress.analysis.attribution.ends import server_counter
from stress.analysis.attribution.ladder import Ladder, wheel_slack_jiffies
from stress.model.run import CLOSE_WAIT, Storm

# States of a server's socket in which it answers a SYN with a challenge ACK (tcp_validate_incoming()), by number:
# ESTABLISHED, FIN-WAIT-1, FIN-WAIT-2, CLOSE-WAIT, LAST-ACK, CLOSING. TIME-WAIT and SYN-RECEIVED are mini-sockets.
CHALLENGING_STATES = (1, 4, 5, 8, 9, 11)
TIME_WAIT, SYN_RECEIVED = 6, 3


class Gap(IntEnum):
    """How long an attempt waited before it first sent its SYN again."""

    NONE = 0  # it sent a single SYN
    FAST = 1  # too short for a SYN without an answer: a challenge ACK came (tcp_rcv_synsent_state_process())
    TIMEOUT = 2  # the whole first timeout: nothing that counts as an answer came
    UNCLEAR = 3


@dataclass(frozen=True)
class Syns:
    """The SYNs of each attempt of a storm; all arrays have the shape (attempts,).

    Attributes:
        gap: a Gap.
        met_mine: whether a SYN met a mine.
        mine_left: whether that mine was left after the storm.
        mine_state: state of the mine (include/net/tcp_states.h); 0 for none.
        challenged: how many SYNs met the mine.
        unanswered: how many of the others got no answer.
        unresolved: whether it is not known if the SYNs met the mine of their 4-tuple; ``challenged`` is how many may
            have.
    """

    gap: npt.NDArray[np.uint8]
    met_mine: npt.NDArray[np.bool_]
    mine_left: npt.NDArray[np.bool_]
    mine_state: npt.NDArray[np.uint8]
    challenged: npt.NDArray[np.uint16]
    unanswered: npt.NDArray[np.uint16]
    unresolved: npt.NDArray[np.bool_]

    def at(self, rows: npt.NDArray[np.intp]) -> "Syns":
        """Return the SYNs of some attempts.

        Args:
            rows: indices of the attempts, shape (rows,).
        """
        return Syns(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


def no_syns(count: int) -> Syns:
    """Return the SYNs of attempts of which nothing is known, shape (count,)."""
    return Syns(
        gap=np.zeros(count, np.uint8),
        met_mine=np.zeros(count, np.bool_),
        mine_left=np.zeros(count, np.bool_),
        mine_state=np.zeros(count, np.uint8),
        challenged=np.zeros(count, np.uint16),
        unanswered=np.zeros(count, np.uint16),
        unresolved=np.zeros(count, np.bool_),
    )


def classify_first_gaps(
    attempts: npt.NDArray[Any], ladder: Ladder, *, congested: bool = False
) -> npt.NDArray[np.uint8]:
    """Return the Gap of each attempt, from its retransmits and the time they took.

    After an unanswered SYN the r-th retransmit is not due before the r-th rung. One that came earlier was hastened by
    a challenge ACK, which can only happen to the first resend (commit 9603d47bad46).

    Args:
        attempts: those to classify.
        ladder: of their kernel and settings.
        congested: whether this host refused to send some SYNs. It tries these again after half a second, and not on
            the ladder (TCP_RESOURCE_PROBE_INTERVAL, tcp_retransmit_timer()), so that only a single resend before the
            first rung proves a challenge ACK.
    """
    retransmits = attempts["retransmits"].astype(np.int64)
    latency_ns = attempts["latency_ns"]
    rungs_ns = np.array([0, *ladder.due_ns])
    place = np.minimum(retransmits, len(ladder.due_ns) - 1)
    place += attempts["error"] == errno.ETIMEDOUT  # it has waited for the last timeout too
    gap = np.where(latency_ns < rungs_ns[place], Gap.FAST, Gap.TIMEOUT)
    if ladder.fast is None:
        gap[:] = Gap.UNCLEAR
    else:
        # An attempt that was given up has waited for some time since its last SYN. It may be on either ladder until
        # the hastened one must have sent the next SYN, each of its timers as late as the wheel may be.
        waits = np.diff(rungs_ns) // ladder.jiffy_ns
        late_ns = np.cumsum([0, *map(wheel_slack_jiffies, waits.tolist())]) * ladder.jiffy_ns
        following = np.minimum(place + 1, len(rungs_ns) - 1)
        hastened_ns = rungs_ns[following] - rungs_ns[1] + ladder.fast.to_ns + late_ns[following]
        given_up = attempts["error"] == errno.EINPROGRESS
        gap[given_up & (gap == Gap.TIMEOUT) & (latency_ns < hastened_ns)] = Gap.UNCLEAR
        if congested:
            gap[(gap == Gap.FAST) & ((retransmits > 1) | (attempts["error"] != 0))] = Gap.UNCLEAR
    gap[retransmits == 0] = Gap.NONE
    return gap.astype(np.uint8)


def classify_syns(storm: Storm, on_mine: npt.NDArray[np.bool_], ladder: Ladder) -> Syns:
    """Return what happened to the SYNs of each attempt.

    A challenge ACK that arrives is answered by an RST. If the RST clears the mine, the server answers the next SYN; so
    of an attempt whose first gap was short, and whose mine is gone, one SYN met the mine. Where the first gap was long,
    every SYN met the mine, except for the last SYN if the attempt connected; or none did, because something swallowed
    them. TCPSYNChallenge tells which, where it tells: see ``resolve_collisions``.

    Args:
        storm: what was observed.
        on_mine: from ``detect_collisions``.
        ladder: of the storm's kernel and settings.
    """
    attempts = storm.attempts
    syns = no_syns(len(attempts))
    # Most attempts connected with their first SYN and need no more.
    rows = np.flatnonzero(is_late(attempts))
    own, met = attempts[rows], on_mine[rows]
    gap = classify_first_gaps(own, ladder, congested=storm.act.counters.get("TCPRetransFail", 0) > 0)
    state = mine_states(storm, own)
    left = np.zeros(storm.tuple_count, np.bool_)
    left[storm.tuples(storm.mines[storm.mines["left"] == 1])] = True
    mine_left = met & left[storm.tuples(own)]
    # The last SYN of an attempt was answered by the SYN-ACK or by an error, unless the attempt still waited in the end.
    useless = own["retransmits"].astype(np.int64) + np.isin(own["error"], (errno.ETIMEDOUT, errno.EINPROGRESS))
    once = met & ~mine_left & (gap == Gap.FAST)
    may_be_met = np.where(met, np.where(once, np.minimum(useless, 1), useless), 0)
    met, unresolved = resolve_collisions(storm, met, gap, state, may_be_met)
    met_by_syns = np.where(met | unresolved, may_be_met, 0)
    syns.gap[rows] = gap
    syns.met_mine[rows], syns.unresolved[rows] = met, unresolved
    syns.mine_left[rows] = mine_left & (met | unresolved)
    syns.mine_state[rows] = np.where(met | unresolved, state, 0)
    syns.challenged[rows], syns.unanswered[rows] = met_by_syns, useless - met_by_syns
    return syns


def mine_states(storm: Storm, attempts: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return the state of the mine on each attempt's 4-tuple; CLOSE_WAIT where the storm itself left it."""
    states = np.full(storm.tuple_count, CLOSE_WAIT, np.uint8)
    states[storm.tuples(storm.mines)] = storm.mines["state"]
    of_attempts: npt.NDArray[np.uint8] = states[storm.tuples(attempts)]
    return of_attempts


def resolve_collisions(
    storm: Storm,
    on_mine: npt.NDArray[np.bool_],
    gap: npt.NDArray[np.uint8],
    state: npt.NDArray[np.uint8],
    may_be_met: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which attempts on a mine met it, and of which that is not known; all arrays have the shape (late,).

    A short gap proves it: nothing but a segment from the old socket hastens a SYN's resend. A long one does not, for
    the SYNs may have been swallowed before they reached the mine. Each SYN that reaches one that challenges raises
    TCPSYNChallenge; so when the counter has risen by the SYNs of the short gaps alone, the others met nothing, and when
    it has risen by those of all, they met their mines. In between nobody can say which.
    """
    challenges = np.isin(state, CHALLENGING_STATES)
    if not storm.act.counters:
        return np.zeros_like(on_mine), on_mine
    fast = on_mine & (gap == Gap.FAST)
    slow = on_mine & ~fast & challenges
    crossings = count_crossings(storm.act)
    is_doubtful = crossings is not None and not crossings.same_syns  # SYNs that something doubled are counted, too
    surplus = server_counter(storm.act, "TCPSYNChallenge")[1] - int(may_be_met[fast & challenges].sum())
    of_slow = int(may_be_met[slow].sum())
    none = np.zeros_like(slow)
    # Where nothing can lose a SYN they all met their mines; the books check the sum.
    if (surplus == of_slow and not is_doubtful) or not may_lose_syns(storm):
        return fast | slow, none
    if surplus <= 0:
        return fast, none
    return fast, slow
