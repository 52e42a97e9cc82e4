# SPDX-License-Identifier: MIT
"""Counters of the server alone: where client and server are hosts of their own, both have the same ones."""

from stress.model.record import Act, HostReport
from stress.model.world import CLIENT, ROUTER, SERVER, Topology

# The client counts a challenge, too, for each SYN-ACK that comes once it has connected (tcp_validate_incoming()).
CHALLENGES = ("TCPSYNChallenge", "TCPChallengeACK", "TCPACKSkippedChallenge")
# Across a link each host has traffic of others, so that of the counters of one end that end's are taken.
OF_CLIENT = (
    *("ActiveOpens", "RetransSegs", "TCPSynRetrans", "TCPRetransFail", "TCPTimeouts", "TCPAbortOnTimeout"),
    *("TCPSpuriousRtxHostQueues", "TWRecycled", "IcmpInDestUnreachs", "Icmp6InDestUnreachs"),
)
OF_SERVER = (
    *("ListenDrops", "ListenOverflows", "TCPReqQFullDrop", "EmbryonicRsts", "PAWSTimewait", "PAWSEstab"),
    *("IpOutNoRoutes", "Ip6OutNoRoutes"),
)


def is_across_link(act: Act) -> bool:
    """Return whether client and server are machines of their own, whose counters count for others, too."""
    return act.plan.world.topology is Topology.PEER


def client_counter(act: Act, counter: str) -> tuple[str, int]:
    """Return the name of a counter, and by how much it rose; of a storm across a link, on the client's host."""
    if not is_across_link(act) or CLIENT not in act.hosts:
        return counter, act.counters.get(counter, 0)
    clients = client_reports(act)
    ends = "client" if len(clients) == 1 else "clients"
    return f"{counter} of the {ends}", sum(report.counters.get(counter, 0) for report in clients)


def client_reports(act: Act) -> list[HostReport]:
    """Return what the hosts of the clients counted, of which there may be several."""
    return [report for name, report in act.hosts.items() if name not in (SERVER, ROUTER)]


def counters_of_ends(act: Act) -> dict[str, int]:
    """Return by how much the counters of an act rose; those of one end are that end's."""
    counters = act.counters | {name: server_counter(act, name)[1] for name in CHALLENGES if name in act.counters}
    if not is_across_link(act):
        return counters
    of_client = {name: client_counter(act, name)[1] for name in OF_CLIENT if name in counters}
    return counters | of_client | {name: server_counter(act, name)[1] for name in OF_SERVER if name in counters}


def server_counter(act: Act, counter: str) -> tuple[str, int]:
    """Return the name of a counter of the server, and by how much it rose; where there is one host, that host's."""
    if SERVER not in act.hosts:
        return counter, act.counters.get(counter, 0)
    return f"{counter} of the server", act.hosts[SERVER].counters.get(counter, 0)
