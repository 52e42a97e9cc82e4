# SPDX-License-Identifier: MIT
"""The books of a storm across a link: segments that left and came, and which other claims hold there.

Each host has traffic of others, so that only what is counted of the storm alone, or of one end's sockets, can be
claimed; and what is between may lose segments, so that claims which rest on the arrival of all are made only where all
came.
"""

import errno
from collections.abc import Iterator

from stress.analysis.attribution.crossings import (
    Crossings,
    count_crossings,
    count_sent_syns,
    may_have_unsent_answers,
)
from stress.analysis.attribution.ends import client_counter, is_across_link
from stress.analysis.attribution.refused import count_opens
from stress.lab.neighbour import UNANSWERED
from stress.model.run import Storm
from stress.model.world import CLIENT, SERVER, Hook, Segment

LEAVING = (Hook.OUTPUT, Hook.POSTROUTING)
SYNS_LOST = "SYNs that did not come to the server"


def is_whole(storm: Storm) -> bool:
    """Return whether every segment of a storm came to the other host; in one machine the rules of the world tell."""
    if not is_across_link(storm.act):
        return True
    crossings = count_crossings(storm.act)
    return crossings is not None and crossings.is_whole


def has_company(storm: Storm) -> bool:
    """Return whether others opened connections on either host of a storm across a link, or were reached there.

    Then counters of whole hosts say nothing exact of the storm.
    """
    act = storm.act
    if not is_across_link(act) or not {CLIENT, SERVER} <= set(act.hosts):
        return False
    server = act.hosts[SERVER].counters
    opened, reached = (client_counter(act, name)[1] for name in ("ActiveOpens", "PassiveOpens"))
    more = max(server.get("PassiveOpens", 0) - len(storm.attempts), 0)
    return reached + server.get("ActiveOpens", 0) + more > 0 or opened != count_opens(storm)


def may_miss_connections(storm: Storm) -> bool:
    """Return whether client and server may know of other connections: answers, ACKs or RSTs were lost between.

    A SYN-ACK that comes again when the attempt has been given up is answered by an RST, and is in EmbryonicRsts.
    """
    crossings = count_crossings(storm.act)
    return crossings is not None and any(
        crossing.lost for crossing in (crossings.syn_acks, crossings.client_acks, crossings.client_rsts)
    )


def count_missing_syns(storm: Storm) -> int | None:
    """Return how many SYNs of the attempts did not come to the server's host.

    None where answers may have been lost as well, between or in a firewall of either host, or where SYNs were doubled
    or refused. Without counts on both hosts nobody knows.
    """
    crossings = count_crossings(storm.act)
    if crossings is None or crossings.syn_acks.lost or may_have_unsent_answers(storm.act):
        return None
    connected = int((storm.attempts["error"] == 0).sum())
    if crossings.syn_acks.came != connected or any(crossings.errors) or any(crossings.server_rsts):
        return None  # something was doubled, sent again, or refused
    return count_sent_syns(storm) - crossings.syns.came


def count_refused_by_far(storm: Storm) -> int:
    """Return how many attempts RSTs of the server's host refused across a link, though somebody listens there."""
    crossings = count_crossings(storm.act)
    if crossings is None or not crossings.server_rsts.left:
        return 0
    return int((storm.attempts["error"] == errno.ECONNREFUSED).sum())


def count_stopped_syns(storm: Storm) -> int:
    """Return how many SYNs the rules of the client's own host dropped before they left."""
    act = storm.act
    rules = [rule for rule in act.plan.world.rules if rule.on == CLIENT and rule.stops is Segment.SYN]
    return sum(act.dropped.get(rule.name, 0) for rule in rules)


def count_stopped_answers(storm: Storm) -> int:
    """Return how many SYN-ACKs the rules of the server's own host dropped before they left."""
    act = storm.act
    rules = [rule for rule in act.plan.world.rules if rule.on == SERVER and rule.stops is Segment.SYN_ACK]
    return sum(act.dropped.get(rule.name, 0) for rule in rules if rule.hook in LEAVING)


def crossing_claims(storm: Storm) -> Iterator[tuple[str, int, str, int]]:
    """Yield the claims on segments that were counted at the devices of both hosts."""
    crossings = count_crossings(storm.act)
    if crossings is None:
        return
    if storm.act.next_hop in UNANSWERED:  # SYNs that wait for a neighbour may be in no count
        return
    stopped = count_stopped_syns(storm)
    less = ", less those that rules there dropped" if stopped else ""
    yield (
        f"SYNs of the attempts{less}",
        count_sent_syns(storm) - stopped,
        "SYNs that left the client",
        crossings.syns.left,
    )
    if not crossings.syns.lost:
        yield from answer_claims(storm, crossings)


def answer_claims(storm: Storm, crossings: Crossings) -> Iterator[tuple[str, int, str, int]]:
    """Yield the claim on SYN-ACKs, where no SYN was lost: those that came are at least one for each connection."""
    again = storm.act.hosts[SERVER].counters.get("TCPSynRetrans", 0)
    connected = int((storm.attempts["error"] == 0).sum())
    if not again and not crossings.syn_acks.lost:
        yield "attempts that connected", connected, "SYN-ACKs that came to the client", crossings.syn_acks.came
