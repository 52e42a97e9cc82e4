# SPDX-License-Identifier: MIT
"""Why each attempt was slow or failed, as far as there is proof.

The comment of each rule says what counts as proof. An attempt that no rule covers has the cause UNKNOWN.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.outcome import OUTCOMES
from stress.analysis.attribution.port_reuse import is_port_still_taken
from stress.analysis.attribution.syns import Gap, Syns
from stress.lab.counters import LO_DROPPED
from stress.model.outcome import Cause, Outcome
from stress.model.plan import Drop
from stress.model.run import Storm

CAUSES = list(Cause)  # the code of a cause is its index


def cause_codes(storm: Storm, outcomes: npt.NDArray[np.uint8], syns: Syns) -> npt.NDArray[np.uint8]:
    """Return each attempt's cause as an index into CAUSES, shape (attempts,).

    Args:
        storm: what was observed.
        outcomes: from ``outcome_codes``.
        syns: from ``classify_syns``.
    """
    codes = np.full(len(outcomes), CAUSES.index(Cause.NONE), np.uint8)
    cleared = count_cleared_mines(storm, syns)
    # Most attempts connected at once and need no explanation.
    rows = np.flatnonzero(outcomes != OUTCOMES.index(Outcome.CONNECTED))
    outcomes, retransmits, syns = outcomes[rows], storm.attempts["retransmits"][rows], syns.at(rows)
    causes = np.full(len(rows), CAUSES.index(Cause.UNKNOWN), np.uint8)

    def assign(cause: Cause, mask: npt.NDArray[np.bool_]) -> None:
        causes[mask] = CAUSES.index(cause)

    def ended_as(*kinds: Outcome) -> npt.NDArray[np.bool_]:
        return np.isin(outcomes, [OUTCOMES.index(kind) for kind in kinds])

    # The kernel itself searched the whole range and found no port for this destination, or none to bind; or the plan
    # asked for a port that an earlier attempt of this storm still held.
    no_port = ended_as(Outcome.NO_PORT, Outcome.IN_USE)
    if no_port.any():
        assign(
            Cause.PORT_EXHAUSTED,
            no_port & is_port_still_taken(storm)[rows] if storm.act.plan.ports.is_sweeping else no_port,
        )

    counters, dropped = storm.act.counters, storm.act.dropped
    met, left, fast, slow = syns.met_mine, syns.mine_left, syns.gap == Gap.FAST, syns.gap == Gap.TIMEOUT
    unclear = syns.gap == Gap.UNCLEAR
    once = syns.challenged == 1
    connected = ended_as(Outcome.RETRIED)

    # The port was mined, and the first SYN sent again connected: at once on Linux 5.6 and later, before that after the
    # first timeout.
    single = met & connected & (retransmits == 1)
    assign(Cause.CLOSEWAIT, single & (fast | unclear))
    # An attempt given up while it waited for that one resend.
    assign(
        Cause.CLOSEWAIT,
        met & ~left & once & (syns.unanswered == 0) & ended_as(Outcome.UNFINISHED) & (syns.gap < Gap.TIMEOUT),
    )

    # The first gap was short, so the challenge ACK came and was answered by an RST; the mine is left, so the RST was
    # lost.
    assign(Cause.RST_DROPPED, met & left & fast)
    assign(Cause.RST_DROPPED, met & left & unclear & bool(dropped.get(Drop.RST)))

    # The first gap was long: no challenge ACK came. Challenge ACKs that the limit held back have no counter of their
    # own, but every SYN that met a mine is counted in TCPSYNChallenge.
    held_back = count_withheld_acks(counters)
    lost = counters.get("TCPChallengeACK", 0) - cleared
    longer = met & (slow | (unclear & (retransmits > 1)))
    if held_back > 0:
        assign(Cause.CHALLENGE_LIMITED, longer & ~left)
        assign(Cause.CHALLENGE_LIMITED, longer & left & (lost <= 0))
    elif lost > 0:
        assign(Cause.CHALLENGE_DROPPED, met & slow & left)
    assign(Cause.CHALLENGE_DROPPED, met & unclear & left & bool(dropped.get(Drop.CHALLENGE)))

    # SYNs that met no mine, or came after the mine was cleared, and got no answer. The accept queue is the cause when
    # it and the loopback together dropped as many, and it alone dropped enough for each of these attempts.
    turned_away = (syns.unanswered > 0) & ~(met & slow)
    overflows = counters.get("ListenOverflows", 0)
    accounted = overflows + counters.get(LO_DROPPED, 0) >= syns.unanswered.sum()
    if accounted and overflows >= turned_away.sum():
        starved = overlaps_starvation(storm)[rows]
        assign(Cause.ACCEPT_QUEUE, turned_away & ~starved)
        assign(Cause.FD_EXHAUSTION, turned_away & starved)
    codes[rows] = causes
    return codes


def count_withheld_acks(counters: Mapping[str, int]) -> int:
    """Return how many SYNs met a mine and got no answer at all (tcp_send_challenge_ack())."""
    return (
        counters.get("TCPSYNChallenge", 0)
        - counters.get("TCPChallengeACK", 0)
        - counters.get("TCPACKSkippedChallenge", 0)
    )


def count_cleared_mines(storm: Storm, syns: Syns) -> int:
    """Return how many mines an RST cleared, of those laid before the storm and of those that the storm itself left."""
    met = storm.tuples(storm.attempts[syns.met_mine])
    left_by_storm = ~np.isin(met, storm.tuples(storm.mines))
    return int((storm.mines["left"] == 0).sum() + left_by_storm.sum())


def overlaps_starvation(storm: Storm) -> npt.NDArray[np.bool_]:
    """Return whether each attempt still waited when the server's accept() found no descriptor, shape (attempts,)."""
    attempts, starved_ns = storm.attempts, storm.act.starved_ns
    if starved_ns is None:
        return np.zeros(len(attempts), np.bool_)
    first_ns, last_ns = starved_ns
    overlap: npt.NDArray[np.bool_] = (attempts["start_ns"] <= last_ns) & (
        attempts["start_ns"] + attempts["latency_ns"] >= first_ns
    )
    return overlap
