# SPDX-License-Identifier: MIT
"""Collisions by packets: SYNs that an old socket answered, known by the numbers of the earlier connection.

An ACK that answers a SYN and acknowledges other data is no proof of an old socket: boxes against floods answer first
SYNs so, to see whether a client's RST follows. But they do not know the numbers of an earlier connection on the same
4-tuple, and whoever has both of them counts the same FINs as the socket of that connection.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.packets.facts import Mask, PacketFacts
from stress.analysis.attribution.packets.rule import PacketProver, PacketRule
from stress.analysis.attribution.rules.rule import Match
from stress.model.flow import OldSocket
from stress.model.outcome import Cause, Outcome
from stress.model.summary import Grade
from stress.model.units import SECOND_NS

# Linux sends a SYN again two jiffies after a challenge ACK, at most 20 ms (commit 9603d47bad46, Linux 5.6), and without
# one not before its first timeout, one second by RFC 6298.
HASTENED_NS = SECOND_NS // 20  # from the client's RST to its SYN
FIRST_TIMEOUT_NS = SECOND_NS // 2  # from SYN to SYN; half of what it must be at least
STATES = {
    OldSocket.TRY: "SYN-RECEIVED",
    OldSocket.OPEN: "ESTABLISHED",
    OldSocket.CLIENT_FIN: "CLOSE-WAIT",
    OldSocket.SERVER_FIN: "FIN-WAIT",
    OldSocket.CLIENT_FIN_FIRST: "LAST-ACK",
    OldSocket.SERVER_FIN_FIRST: "TIME-WAIT",
}
STALE = (OldSocket.TRY, OldSocket.OPEN, OldSocket.SERVER_FIN, OldSocket.CLIENT_FIN_FIRST)
# Those that an RST with the exact number always removes (RFC 5961 section 3.2). One in TIME_WAIT may ignore it.
REMOVABLE = (*STALE, OldSocket.CLIENT_FIN)


def is_hastened(flows: npt.NDArray[Any]) -> Mask:
    """Return in which flows the client sent its SYN again because of a challenge that it answered, shape (flows,)."""
    since_reset_ns = flows["second_syn_ns"] - flows["client_reset_ns"]
    soon = (since_reset_ns >= 0) & (since_reset_ns <= HASTENED_NS) & (flows["second_syn_ns"] < FIRST_TIMEOUT_NS)
    in_order = (flows["challenge_ns"] >= 0) & (flows["client_reset_ns"] >= flows["challenge_ns"])
    hastened: Mask = soon & in_order & (flows["exact_resets"] > 0)
    return hastened


def has_numbers(flows: npt.NDArray[Any], states: Collection[OldSocket]) -> Mask:
    """Return in which flows the first challenge has the numbers of an old socket in one of some states."""
    known: Mask = (flows["challenges"] > 0) & np.isin(flows["old_socket"], [int(state) for state in states])
    return known


def comes_as_far(flows: npt.NDArray[Any]) -> Mask:
    """Return in which flows the challenge came as far as the server's segments did, shape (flows,).

    A firewall that still has a session in its table knows the numbers too.
    """
    as_far: Mask = flows["challenge_hops"] == flows["old_hops"]
    return as_far


def met_old_socket(facts: PacketFacts, states: Collection[OldSocket]) -> Mask:
    """Return in which flows a SYN met a socket in one of some states, shape (flows,)."""
    return has_numbers(facts.flows, states) & comes_as_far(facts.flows)


def cleared(facts: PacketFacts, states: Collection[OldSocket]) -> Mask:
    """Return in which flows the client's RST removed an old socket in one of some states, shape (flows,).

    The SYN that it hastened, or one after that, was answered by a SYN-ACK, and no challenge came after the RST.
    """
    flows = facts.flows
    answered = (flows["syn_acks"] > 0) & (flows["syn_ack_ns"] >= flows["second_syn_ns"])
    connected = facts.of_tries(facts.ended_as(Outcome.RETRIED))
    removed: Mask = met_old_socket(facts, states) & is_hastened(flows) & answered & connected
    return removed


def prove_cleared(states: Collection[OldSocket]) -> PacketProver:
    """Return a function that matches the tries whose SYN met a socket in one of some states, which they removed."""

    def prove(facts: PacketFacts) -> Match | None:
        flows = cleared(facts, states)
        if not flows.any():
            return None
        gaps_ns, reused_ns = facts.flows["second_syn_ns"][flows], facts.flows["reuse_ns"][flows]
        met = np.zeros(len(facts.attempts), np.uint8)
        met[facts.flows["attempt"][flows]] = facts.flows["old_socket"][flows]
        counts = np.bincount(met, minlength=len(OldSocket))
        figures = {
            "states": ", ".join(f"{counts[state]:,} in {STATES[state]}" for state in states if counts[state]),
            "slowest_ms": gaps_ns.max() / (SECOND_NS // 1000),
            "soonest_s": reused_ns.min() / SECOND_NS,
            "latest_s": reused_ns.max() / SECOND_NS,
        }
        return Match(facts.having(flows), figures)

    return prove


def prove_rst_ignored(facts: PacketFacts) -> Match | None:
    """Match tries whose exact RST passed the capture and did not remove the socket: a later SYN met it again."""
    again = met_old_socket(facts, REMOVABLE) & (facts.flows["again_ns"] >= 0) & (facts.flows["exact_resets"] > 0)
    flows = again & facts.of_tries(facts.ended_as(Outcome.TIMED_OUT, Outcome.UNFINISHED))
    if not flows.any():
        return None
    return Match(facts.having(flows), {"resets": int(facts.flows["exact_resets"][flows].sum(dtype=np.int64))})


NEEDS = (
    "the earlier connection with this 4-tuple in the capture; an ACK without SYN that answers the SYN and acknowledges "
    "other data; the client's RST with the number which that ACK acknowledges; the SYN sent again at most 50 ms after "
    "it, and before any timeout; then a SYN-ACK"
)
SENTENCE = (
    "{attempts:,} SYNs met the old socket of the earlier connection on their 4-tuple: {states}; their ports had been "
    "unused for {soonest_s:,.3g} to {latest_s:,.3g} s, and the SYN was sent again within {slowest_ms:,.3g} ms"
)
NUMBERS = (
    "sequence number of that ACK = next one of the server's side in the earlier connection, and its acknowledgment "
    "number = next one of the client's side; {fins} counted; its hops = those of the server's segments in it"
)
RULES = (
    PacketRule(
        name="rst_dropped.packets",
        cause=Cause.RST_DROPPED,
        grade=Grade.PACKETS,
        needs="the earlier connection with this 4-tuple in the capture, the server's side of which did not end in "
        "TIME_WAIT; an ACK that answers the SYN with the numbers of that connection; the client's RST; a later SYN, "
        "and the same answer again; the try did not connect",
        equation="sequence number of the RST = the number which that ACK acknowledges, so that a socket to which it "
        "comes must end (RFC 5961 section 3.2); hops of the ACK = those of the server's segments before",
        sentence="{resets:,} RSTs with the exact number passed the capture, and the old sockets answered later SYNs as "
        "before",
        prove=prove_rst_ignored,
    ),
    PacketRule(
        name="closewait.packets",
        cause=Cause.CLOSEWAIT,
        grade=Grade.PACKETS,
        needs=NEEDS,
        equation=NUMBERS.format(fins="the client's FIN and none of the server are")
        + ", and the client had acknowledged all of the server's data",
        sentence=SENTENCE,
        prove=prove_cleared((OldSocket.CLIENT_FIN,)),
    ),
    PacketRule(
        name="time_wait.packets",
        cause=Cause.TIME_WAIT,
        grade=Grade.PACKETS,
        needs=NEEDS,
        equation=NUMBERS.format(fins="both FINs are, the server's came first and the client had acknowledged it"),
        sentence=SENTENCE,
        prove=prove_cleared((OldSocket.SERVER_FIN_FIRST,)),
    ),
    PacketRule(
        name="stale_socket.packets",
        cause=Cause.STALE_SOCKET,
        grade=Grade.PACKETS,
        needs=NEEDS,
        equation=NUMBERS.format(fins="no FIN, that of the server alone, or both and the client's first are"),
        sentence=SENTENCE,
        prove=prove_cleared(STALE),
    ),
)
