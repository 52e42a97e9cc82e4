# SPDX-License-Identifier: MIT
"""Sums of counters that stand for segments of a storm, over the hosts of its world and the rules of their firewalls.

A sum is its text, as the books show it, and its value.
"""

from stress.analysis.attribution.crossings import Crossings, count_crossings
from stress.analysis.attribution.ends import client_reports, is_across_link
from stress.analysis.attribution.link_books import SYNS_LOST, count_missing_syns
from stress.analysis.attribution.refused import count_on_hosts
from stress.analysis.attribution.router_books import ROUTER_DROPS, count_router_drops
from stress.lab.counters import LO_DROPPED
from stress.model.run import Storm
from stress.model.world import SERVER, Segment

SYNCOOKIES = "net.ipv4.tcp_syncookies"
WITHHELD = "TCPACKSkippedTimeWait"
RP_FILTERED = "IPReversePathFilter"
NOT_RECEIVED = "segments that came there and no TCP received"
# Counters of SYNs that a TCP received and dropped for another reason than a full queue (net/ipv4/tcp_ipv4.c,
# tcp_input.c, tcp_minisocks.c, Linux 6.18).
OTHER_SINKS = (
    *("InCsumErrors", "IpExtInCsumErrors", "TCPBacklogDrop", "PFMemallocDrop", "TCPMinTTLDrop", "TCPDeferAcceptDrop"),
    *("TCPMD5NotFound", "TCPMD5Unexpected", "TCPMD5Failure", "PAWSPassive", "PAWSActive", "TCPRcvQDrop"),
    *("TCPAORequired", "TCPAOBad", "TCPAOKeyNotFound", "TCPAODroppedIcmps", "TCPReqQFullDrop"),
)
Sum = tuple[str, int]


def stops_any(storm: Storm, *segments: Segment) -> bool:
    """Return whether a rule of the world stops one of some segments."""
    return any(rule.stops in segments for rule in storm.act.plan.world.rules)


def may_lose_syns(storm: Storm) -> bool:
    """Return whether a SYN may be lost before it reaches the server's TCP: on another host, or by a rule or queue."""
    plan = storm.act.plan
    return plan.host or bool(plan.world.rules or plan.world.queues)


def sum_lost_syns(storm: Storm) -> list[Sum]:
    """Return the sums that stand for SYNs without an answer: drops by the listener, the loopback, and rules.

    None where a rule stops SYN-ACKs: the server sends these again by itself, so that they are more than the SYNs. None
    where SYNs are dropped that nothing counts.
    """
    act, world = storm.act, storm.act.plan.world
    if is_across_link(act):
        return sum_lost_across_link(storm)
    is_uncounted = any(route.kind == "local" for route in world.routes)  # a source that is the host's own
    if stops_any(storm, Segment.SYN_ACK) or is_uncounted:
        return []
    rules = [rule.name for rule in world.rules if rule.stops is Segment.SYN and not rule.sends_rst]
    others = act.counters.get(LO_DROPPED, 0) + sum(act.dropped[name] for name in rules)  # schema 1 did not read lo
    names = [LO_DROPPED, *(f"rule {name}" for name in rules)]
    if router_drops := count_router_drops(storm):
        others += router_drops
        names.append(ROUTER_DROPS)
    if not world.translates and (dropped := sum(report.conntrack.get("drop", 0) for report in act.hosts.values())):
        others += dropped
        names.append("conntrack drop")
    if filtered := count_on_hosts(act, [RP_FILTERED]):
        others += filtered
        names.append(RP_FILTERED)
    return [(" + ".join((counter, *names)), act.counters[counter] + others) for counter in listener_counters(storm)]


def listener_counters(storm: Storm) -> tuple[str, ...]:
    """Return which counters have the SYNs that the listener dropped.

    Without a route back, or with a full SYN queue, it drops SYNs without an overflow of its accept queue.
    """
    without_overflow = storm.act.plan.world.routes or storm.act.sysctls.get(SYNCOOKIES) == "0"
    return ("ListenDrops",) if without_overflow else ("ListenOverflows", "ListenDrops")


def sum_lost_across_link(storm: Storm) -> list[Sum]:
    """Return the sums that stand for SYNs without an answer across a link: not come, or dropped by the server's host.

    None where SYN-ACKs were lost, or nobody knows. What rules of the client's host drop has not come either.
    """
    act, missing = storm.act, count_missing_syns(storm)
    if missing is None or stops_any(storm, Segment.SYN_ACK):
        return []
    server, crossings = act.hosts[SERVER], count_crossings(act)
    rules = [rule for rule in act.plan.world.rules if rule.stops is Segment.SYN and rule.on == SERVER]
    names = [SYNS_LOST, *(f"rule {rule.name}" for rule in rules)]
    others = missing + sum(act.dropped.get(rule.name, 0) for rule in rules)
    if not act.dropped and crossings and (unreceived := crossings.unreceived.get(SERVER, 0)) > 0:
        names.append(NOT_RECEIVED)
        others += unreceived
    return [
        (" + ".join((f"{counter} of the server", *names)), server.counters.get(counter, 0) + others)
        for counter in listener_counters(storm)
    ]


def sum_rsts(storm: Storm) -> Sum:
    """Return the sum that stands for RSTs: those of TCP, less one for each connection that only the client saw.

    A firewall makes its RSTs without TCP, which does not count them (nf_send_reset()). A SYN whose ACK a socket in
    TIME_WAIT withholds is answered by no RST.
    """
    act = storm.act
    if (crossings := count_crossings(act)) is not None:
        return sum_rsts_that_left(storm, crossings)
    rules = [rule.name for rule in act.plan.world.rules if rule.sends_rst]
    names = "".join(f" + rule {name}" for name in rules)
    value = act.counters["OutRsts"] + sum(act.dropped[name] for name in rules) - act.counters.get("EmbryonicRsts", 0)
    if withheld := act.counters.get(WITHHELD, 0):
        names, value = f"{names} + {WITHHELD}", value + withheld
    return f"OutRsts{names} - EmbryonicRsts", value


def sum_rsts_that_left(storm: Storm, crossings: Crossings) -> Sum:
    """Return the sum that stands for RSTs across a link: those that left either host, whoever made them there.

    A firewall of the server's host that answers a challenge ACK sends its RST to that host itself, past no device.
    """
    act, value = storm.act, crossings.client_rsts.left + crossings.server_rsts.left
    world = act.plan.world
    unseen = [rule.name for rule in world.rules if rule.name in world.interceptors and rule.on == SERVER]
    names = "".join(f" + rule {name}" for name in unseen)
    value += sum(act.dropped.get(name, 0) for name in unseen)
    server = act.hosts[SERVER].counters
    if withheld := act.counters.get(WITHHELD, 0):
        names, value = f"{names} + {WITHHELD}", value + withheld
    return f"RSTs that left{names} - EmbryonicRsts of the server", value - server.get("EmbryonicRsts", 0)


def sum_syn_retransmits(storm: Storm) -> Sum | None:
    """Return the sum that stands for SYNs sent again; None where SYN-ACKs sent again are in it, which one host counts.

    TCPSynRetrans counts both (tcp_rtx_synack()).
    """
    clients = [report.counters for report in client_reports(storm.act)]
    if len(storm.act.hosts) > 1:
        return "TCPSynRetrans of the clients", sum(counters["TCPSynRetrans"] for counters in clients)
    if stops_any(storm, Segment.SYN_ACK):
        return None
    return "TCPSynRetrans", storm.act.counters["TCPSynRetrans"]
