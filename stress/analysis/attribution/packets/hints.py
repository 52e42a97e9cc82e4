# SPDX-License-Identifier: MIT
"""Hints on a capture: how many tries are unknown, what their packets show, and what would tell their cause."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.cause import UNKNOWN
from stress.analysis.attribution.packets.collision import STATES, comes_as_far, is_hastened
from stress.analysis.attribution.packets.facts import Mask, PacketFacts
from stress.analysis.attribution.packets.refusal import ends_connect
from stress.analysis.attribution.packets.two_ends import asks_the_same
from stress.model.flow import OldSocket, Vantage
from stress.model.outcome import Outcome

INSPECT = "connstorm inspect --watch 10 on the server's host"


@dataclass(frozen=True)
class Kind:
    """One kind of tries whose cause is unknown.

    Attributes:
        flows: shape (flows,); a try is of this kind if one of its flows is, and of no kind before.
        text: what their packets show, and what would tell more.
    """

    flows: Mask
    text: str


def hint_packets(facts: PacketFacts, codes: npt.NDArray[np.uint8]) -> list[str]:
    """Return sentences on the tries whose cause is unknown; none where every cause is known.

    Args:
        facts: of the capture.
        codes: shape (attempts,), from ``attribute_packets``.
    """
    left, sentences = codes == UNKNOWN, []
    for kind in kinds(facts):
        own = left & facts.having(kind.flows)
        if own.any():
            sentences.append(f"{int(own.sum()):,} unknown {kind.text}.")
            left &= ~own
    if left.any():
        sentences.append(f"{int(left.sum()):,} unknown whose packets show no pattern that proves a cause.")
    return sentences


def kinds(facts: PacketFacts) -> Iterator[Kind]:
    """Yield the kinds, those that say most first."""
    yield from collisions(facts)
    yield from refusals(facts)
    yield from unanswered(facts)
    late = facts.of_tries(facts.late)
    yield Kind(
        late,
        "that connected with their first SYN, but late: a slow link, a queue, or a server whose host was busy; the "
        "time between SYN and SYN-ACK in a capture at the server tells which",
    )
    flows = facts.flows
    at_once = facts.of_tries(facts.ended_as(Outcome.CONNECTED))
    yield Kind(
        at_once & (flows["is_begun"] == 0),
        "that connected so soon after the capture had begun, within 3.3 s, that a SYN before the first one that it has "
        "may be missing; begin the capture before the trouble",
    )
    yield Kind(
        at_once,
        "that connected with the only SYN that the capture has, which was not taken at the client: SYNs that were lost "
        "before it are not in it; capture at the client, too",
    )
    yield Kind(
        flows["is_ended"] == 0,
        "whose end the capture does not have; let it run for some seconds longer than connect() waits",
    )


def collisions(facts: PacketFacts) -> Iterator[Kind]:
    """Yield the kinds of tries that were answered by an ACK of other data."""
    flows = facts.flows
    challenged = flows["challenges"] > 0
    known = challenged & (flows["old_socket"] != OldSocket.NOT_KNOWN)
    connected = facts.of_tries(facts.ended_as(Outcome.RETRIED))
    yield Kind(
        known & ~comes_as_far(flows),
        "whose SYN was answered by an ACK with the numbers of an earlier connection, but with other hops left than the "
        "server's segments had: perhaps by a firewall that still has a session of it (conntrack -L)",
    )
    states = sorted({STATES[OldSocket(state)] for state in np.unique(flows["old_socket"][known]).tolist()})
    yield Kind(
        known & connected,
        f"that met an old socket ({', '.join(states)} by its numbers), but sent the SYN again late: the client's "
        "kernel is older than Linux 5.6 or not Linux, or somebody on the way answered in its place; captures at both "
        "ends tell which",
    )
    yield Kind(
        known,
        f"that met an old socket ({', '.join(states)} by its numbers) and did not connect: an RST that did not "
        "arrive, or SYNs that were lost after it; captures at both ends tell which, and so does connstorm inspect on "
        "the server's host, which lists old sockets",
    )
    yield Kind(
        challenged & connected & is_hastened(flows),
        "whose SYN was answered by an ACK of other data, and hastened: an old socket on their 4-tuple, of which the "
        "capture does not have the connection, or a box against floods that tries its clients; connstorm inspect on "
        "the server's host lists old sockets",
    )
    yield Kind(
        challenged,
        "whose SYN was answered by an ACK of other data: an old socket on their 4-tuple, or a box on the way; "
        "connstorm inspect on the server's host lists old sockets",
    )


def refusals(facts: PacketFacts) -> Iterator[Kind]:
    """Yield the kinds of tries that an RST or an ICMP error answered."""
    flows = facts.flows
    refused = flows["server_resets"] > 0
    usual = np.unique(flows["syn_ack_hops"][flows["syn_ack_hops"] > 0])
    elsewhere = refused & ~np.isin(flows["server_reset_hops"], usual) & bool(len(usual))
    hops = np.unique(flows["server_reset_hops"][elsewhere]).tolist()
    yield Kind(
        elsewhere,
        f"that were refused by an RST with {' or '.join(map(str, hops))} hops left, where SYN-ACKs have "
        f"{' or '.join(map(str, usual.tolist()))}: perhaps by a firewall on the way; its rules tell (nft list ruleset)",
    )
    yield Kind(
        refused,
        "that were refused by an RST, which a host sends where nobody listens, and a firewall that rejects; "
        "connstorm inspect on the server's host lists who listens",
    )
    yield Kind(
        ends_connect(flows),
        "about which an ICMP error came, and whose client went on: it ignores such errors, or they did not come to it",
    )


def unanswered(facts: PacketFacts) -> Iterator[Kind]:
    """Yield the kinds of tries with SYNs that nobody answered, by where the capture was."""
    flows = facts.flows
    slow = facts.of_tries(facts.ended_as(Outcome.RETRIED, Outcome.TIMED_OUT, Outcome.UNFINISHED))
    yield Kind(
        slow & (flows["syn_acks"] > 0) & (flows["client_reset_ns"] >= flows["syn_ack_ns"]),
        "whose SYN-ACK their client answered by an RST: it had stopped waiting, or had only asked whether somebody "
        "listens, as health checks and scans of ports do",
    )
    answered = (flows["syn_acks"] > 0) & (flows["syn_ack_ns"] < flows["second_syn_ns"])
    yield Kind(
        slow & answered,
        "whose SYN-ACK passed the capture before the SYN was sent again: it was lost or late after that, on the way to "
        "the client or in its host; a capture at the client tells which",
    )
    near, far = facts.pairs
    missing = ~np.isin(np.arange(len(flows)), near) & (len(np.unique(flows["file"])) > 1)
    missing[near[flows["syns"][near] > flows["syns"][far]]] = True
    yield Kind(
        slow & missing,
        "of whose SYNs one file has more than the other: lost between the two captures, or seen by neither because "
        "another device was captured, their addresses are translated, or the capture lost packets (dumpcap writes how "
        "many into a pcapng file, tcpdump does not)",
    )
    yield Kind(
        slow & (flows["syns"] > 1) & (flows["syn_acks"] > 0) & ~asks_the_same(flows),
        "whose SYN was answered when it asked for less (ECN, Multipath TCP or Fast Open): something may drop SYNs that "
        "ask; try net.ipv4.tcp_ecn=0 or plain TCP on the client",
    )
    on_server = np.isin(flows["vantage"], (Vantage.SERVER, Vantage.BOTH))
    yield Kind(
        slow & on_server,
        "whose SYNs came to the server's host, which did not answer them: a full queue of the listener, or a firewall "
        f"on that host; {INSPECT} tells which",
    )
    yield Kind(
        slow & (flows["syns"] > 0),
        "with SYNs that got no answer where the capture was: lost on the way, dropped by a firewall, or by a full "
        f"queue of the listener; capture at the server too, or run {INSPECT}",
    )
