# SPDX-License-Identifier: MIT
"""Crossings: how many segments of a storm left one end of a link, and how many came to the other.

They are counted at the devices of both hosts, so that nothing else that these send is in them. What is between may lose
segments, double them and add its own; as many lost as doubled look like none, so that a loss is proved by more than its
absence from these sums.
"""

from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from stress.analysis.attribution.ends import client_reports, is_across_link
from stress.analysis.attribution.refused import count_opens
from stress.model import segment_count as kinds
from stress.model.record import Act
from stress.model.run import Storm
from stress.model.world import CLIENT, SERVER


class Crossing(NamedTuple):
    """Segments of one kind."""

    left: int  # the host of their sender
    came: int  # to the host of their receiver

    @property
    def lost(self) -> int:
        """How many more left than came; negative where something between added some."""
        return self.left - self.came


@dataclass(frozen=True)
class Crossings:
    """The segments of a storm by kind, and what is known of the counting.

    Attributes:
        syns, syn_acks, client_rsts, server_rsts, client_acks, server_acks: those with these flags; ACKs without data.
        errors: ICMP errors to the client that quote one of its segments; those that left, left the server's host.
        syns_of_others: that came to the server's ports from addresses that are not the client's.
        same_syns: whether as many SYNs came as left, in each of several parts by their source ports: then none was
            lost and another one doubled in its place.
        left_elsewhere: segments that left a host by another device than the one at which they are counted.
        unreceived: by host, segments of whatever connection that came to it and that its TCP did not receive: its own
            firewall dropped them. A host of which that is not known is not there.
    """

    syns: Crossing
    syn_acks: Crossing
    client_rsts: Crossing
    server_rsts: Crossing
    client_acks: Crossing
    server_acks: Crossing
    errors: Crossing
    syns_of_others: int
    same_syns: bool
    left_elsewhere: int
    unreceived: dict[str, int]

    @property
    def is_whole(self) -> bool:
        """Whether of every kind as many came as left: nothing was lost between, and nothing was added."""
        return self.same_syns and not any(
            crossing.lost
            for crossing in (
                *(self.syn_acks, self.client_rsts, self.server_rsts, self.client_acks, self.server_acks),
                self.errors,
            )
        )

    @property
    def answered_between(self) -> int:
        """How many RSTs and ICMP errors came to the client's host that had not left the server's."""
        return sum(max(-crossing.lost, 0) for crossing in (self.server_rsts, self.errors))

    @property
    def is_received(self) -> bool:
        """Whether the TCPs of both hosts received all that came to these."""
        return self.unreceived == {CLIENT: 0, SERVER: 0}


def has_all_come(crossings: Crossings | None, sent_syns: int) -> bool:
    """Return whether each SYN and all that followed left its host, came to the other one and was received there."""
    if crossings is None or crossings.left_elsewhere or crossings.syns.left != sent_syns:
        return False
    return crossings.is_whole and crossings.is_received


def count_crossings(act: Act) -> Crossings | None:
    """Return the crossings of a storm across a link; None where they were not counted on both hosts, or not all."""
    if not is_across_link(act) or not {CLIENT, SERVER} <= act.hosts.keys() or act.segments_in_flight:
        return None
    clients, server = [report.segments for report in client_reports(act)], act.hosts[SERVER].segments
    if not all((*clients, server)):
        return None
    client = {kind: sum(end[kind] for end in clients) for kind in clients[0] if all(kind in end for end in clients)}
    ends = client, server
    to_server = {kind: Crossing(client.get(kind, 0), server.get(kind, 0)) for kind in kinds.TO_SERVER}
    to_client = {kind: Crossing(server.get(kind, 0), client.get(kind, 0)) for kind in kinds.TO_CLIENT}
    return Crossings(
        syns=to_server[kinds.SYN],
        syn_acks=to_client[kinds.SYN_ACK],
        client_rsts=to_server[kinds.CLIENT_RST],
        server_rsts=to_client[kinds.SERVER_RST],
        client_acks=to_server[kinds.CLIENT_ACK],
        server_acks=to_client[kinds.SERVER_ACK],
        errors=Crossing(server.get(kinds.ERROR, 0), client.get(kinds.ERROR, 0)),
        syns_of_others=server.get(kinds.SYN_OF_OTHERS, 0),
        same_syns=all(client.get(part, 0) == server.get(part, 0) for part in (kinds.SYN, *chain(*kinds.SYN_PARTS))),
        left_elsewhere=sum(end.get(kinds.ELSEWHERE, 0) for end in ends),
        unreceived={
            host: end[kinds.TCP_CAME] - end[kinds.TCP_RECEIVED]
            for host, end in zip((CLIENT, SERVER), ends, strict=True)
            if kinds.TCP_CAME in end and kinds.TCP_RECEIVED in end
        },
    )


def count_unsent_answers(act: Act) -> int:
    """Return how many requests ended because the server's host did not let their SYN-ACKs out, or those of others.

    A request is dropped when its timer expires and its SYN-ACK cannot be sent again (reqsk_timer_handler(), Linux
    6.18), so that TCPTimeouts has one more than there are resends.
    """
    counters = act.hosts[SERVER].counters if SERVER in act.hosts else {}
    return max(counters.get("TCPTimeouts", 0) - counters.get("TCPSynRetrans", 0), 0)


def may_have_unsent_answers(act: Act) -> bool:
    """Return whether the server's host may have made SYN-ACKs that it did not let out: also those still half-open."""
    before, after = (
        census.get("server", {}).get("SYN-RECEIVED", 0) for census in (act.census_before, act.census_after)
    )
    return after > before or count_unsent_answers(act) > 0


def count_retransmits(storm: Storm) -> int:
    """Return how many SYNs the attempts sent again."""
    return int(storm.attempts["retransmits"].sum(dtype="int64"))


def count_sent_syns(storm: Storm) -> int:
    """Return how many SYNs the client's TCP sent for the attempts, whether its host let them out or not."""
    return count_opens(storm) + count_retransmits(storm)
