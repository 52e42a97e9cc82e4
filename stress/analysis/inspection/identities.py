# SPDX-License-Identifier: MIT
"""What counters that rose while a namespace was watched prove: one row for each identity.

Each condition was met by its cause, and not by the others, on Linux 6.18. A host has other traffic: where an identity
can be broken by that, the sentence says what may be.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from stress.lab import counters
from stress.model.inspection import Explanation
from stress.model.text import plural

Changes = Mapping[str, int]
CONNTRACK = "conntrack "  # before the names of conntrack's own counters, which are short
CATALOGUE, SYMPTOMS = "docs/catalogue.md#", "docs/symptoms.md#"


class Identity(NamedTuple):
    """What some counters prove."""

    names: tuple[str, ...]  # counters that are shown with it
    holds: Callable[[Changes], bool]
    text: Callable[[Changes], str]
    page: str


def rises(*names: str) -> Callable[[Changes], bool]:
    """Return whether one of some counters rose."""
    return lambda change: any(change.get(name, 0) > 0 for name in names)


def dropped_otherwise(change: Changes) -> int:
    """Return how many SYNs listeners dropped for another reason than a full accept queue."""
    return change.get("ListenDrops", 0) - change.get("ListenOverflows", 0)


def no_routes(change: Changes) -> int:
    """Return how many packets had no route."""
    return change.get("IpOutNoRoutes", 0) + change.get("Ip6OutNoRoutes", 0)


def is_without_way_back(change: Changes) -> bool:
    """Return whether as many SYNs were dropped as packets had no route."""
    return dropped_otherwise(change) > change.get("TCPReqQFullDrop", 0) and no_routes(change) == dropped_otherwise(
        change
    )


def is_backlog_dropped(change: Changes) -> bool:
    """Return whether SYNs were dropped, and neither a queue of listen() nor a missing route tells why."""
    return dropped_otherwise(change) > change.get("TCPReqQFullDrop", 0) and not no_routes(change)


def is_stuck_on_host(change: Changes) -> bool:
    """Return whether timers ended while segments still waited on this host, and no SYN was sent again."""
    return (
        change.get("TCPSpuriousRtxHostQueues", 0) > 0
        and change.get("TCPTimeouts", 0) > 0
        and not change.get("TCPSynRetrans", 0)
    )


def is_neighbour_silent(change: Changes) -> bool:
    """Return whether every timer that ended did so for a segment that still waited here, and connects then failed."""
    icmp = rises("IcmpInDestUnreachs", "Icmp6InDestUnreachs")(change)
    only = change.get("TCPTimeouts") == change.get("TCPSpuriousRtxHostQueues")
    return is_stuck_on_host(change) and only and icmp and change.get("AttemptFails", 0) > 0


def conntrack_change(change: Changes, name: str) -> int:
    """Return how much a counter of conntrack rose."""
    return change.get(CONNTRACK + name, 0)


IDENTITIES = (
    Identity(
        ("ListenOverflows", "ListenDrops"),
        rises("ListenOverflows"),
        lambda change: (
            f"A full accept queue dropped {plural(change['ListenOverflows'], 'SYN or ACK', 'SYNs and ACKs')}."
        ),
        f"{CATALOGUE}accept-queue",
    ),
    Identity(
        ("ListenDrops", "TCPReqQFullDrop"),
        rises("TCPReqQFullDrop"),
        lambda change: (
            f"A full SYN queue dropped {plural(change['TCPReqQFullDrop'], 'SYN')}: the listen() backlog is its limit, "
            "and cookies are off."
        ),
        f"{CATALOGUE}syn-queue",
    ),
    Identity(
        ("ListenDrops", "ListenOverflows", "IpOutNoRoutes", "Ip6OutNoRoutes"),
        is_without_way_back,
        lambda change: f"{plural(dropped_otherwise(change), 'SYN')} came from where no route leads back.",
        f"{CATALOGUE}no-route-back",
    ),
    Identity(
        ("ListenDrops", "ListenOverflows", "TCPReqQFullDrop"),
        is_backlog_dropped,
        lambda change: (
            f"Listeners dropped {plural(dropped_otherwise(change) - change.get('TCPReqQFullDrop', 0), 'SYN')}, and no "
            "accept queue overflowed: three quarters of tcp_max_syn_backlog may be in use while cookies are off, or a "
            "route back be missing (IPv6 does not always count that)."
        ),
        f"{CATALOGUE}syn-queue",
    ),
    Identity(
        ("TCPTimeouts", "TCPSpuriousRtxHostQueues", "AttemptFails", "IcmpInDestUnreachs", "Icmp6InDestUnreachs"),
        is_neighbour_silent,
        lambda change: (
            f"{plural(change['TCPSpuriousRtxHostQueues'], 'segment')} had not left this host when the timer ended, and "
            "no SYN was sent again: a neighbour does not answer ARP."
        ),
        f"{CATALOGUE}neighbour",
    ),
    Identity(
        ("TCPTimeouts", "TCPSpuriousRtxHostQueues"),
        lambda change: is_stuck_on_host(change) and not is_neighbour_silent(change),
        lambda change: (
            f"{plural(change['TCPSpuriousRtxHostQueues'], 'segment')} had not left this host when the timer ended, and "
            "no SYN was sent again: an IPsec policy may wait for its key, a neighbour not answer, or a device's queue "
            "be long."
        ),
        f"{SYMPTOMS}an-ipsec-policy-without-a-key",
    ),
    Identity(
        ("TCPSynRetrans", "ActiveOpens"),
        rises("TCPSynRetrans"),
        lambda change: (
            f"{plural(change['TCPSynRetrans'], 'SYN or SYN-ACK was', 'SYNs and SYN-ACKs were')} sent again by this "
            f"host, which made {plural(change.get('ActiveOpens', 0), 'connect')}: answers came late or not at all, or "
            "a listener waited for data (TCP_DEFER_ACCEPT). This host's counters do not tell why, the other end's may."
        ),
        f"{CATALOGUE}the-catalogue",
    ),
    Identity(
        ("TCPRetransFail",),
        rises("TCPRetransFail"),
        lambda change: (
            f"This host itself did not send {plural(change['TCPRetransFail'], 'resend')}: a rule of its output chain, "
            "a cgroup or a full queue of a device."
        ),
        f"{CATALOGUE}egress-drop",
    ),
    Identity(
        ("PAWSTimewait",),
        rises("PAWSTimewait"),
        lambda change: (
            f"{plural(change['PAWSTimewait'], 'SYN')} met a connection in TIME-WAIT with a later timestamp: clients "
            "that have one address, behind NAT."
        ),
        f"{CATALOGUE}time-wait-nat",
    ),
    Identity(
        ("TCPACKSkippedTimeWait",),
        rises("TCPACKSkippedTimeWait"),
        lambda change: (
            f"{plural(change['TCPACKSkippedTimeWait'], 'segment')} to connections in TIME-WAIT got no answer: with "
            "tcp_rfc1337=1 a SYN that meets one waits until it is gone."
        ),
        f"{CATALOGUE}time-wait-nat",
    ),
    Identity(
        ("TCPSYNChallenge", "TCPChallengeACK"),
        rises("TCPSYNChallenge"),
        lambda change: (
            f"{plural(change['TCPSYNChallenge'], 'SYN or SYN-ACK', 'SYNs and SYN-ACKs')} met a connection that was "
            "there: old sockets, or SYN-ACKs that came late or twice. The counter does not tell which."
        ),
        f"{CATALOGUE}closewait",
    ),
    Identity(
        ("TCPACKSkippedChallenge",),
        rises("TCPACKSkippedChallenge"),
        lambda change: (
            f"{plural(change['TCPACKSkippedChallenge'], 'challenge ACK')} was not sent, for a limit."
            if change["TCPACKSkippedChallenge"] == 1
            else f"{change['TCPACKSkippedChallenge']:,} challenge ACKs were not sent, for a limit."
        ),
        f"{CATALOGUE}challenge-limit",
    ),
    Identity(
        ("IPReversePathFilter",),
        rises("IPReversePathFilter"),
        lambda change: (
            f"The reverse path filter dropped {plural(change['IPReversePathFilter'], 'packet')}: the way back to their "
            "source is another device."
        ),
        f"{CATALOGUE}rp-filter",
    ),
    Identity(
        ("TCPMD5NotFound", "TCPMD5Unexpected", "TCPMD5Failure", "TCPMinTTLDrop"),
        rises("TCPMD5NotFound", "TCPMD5Unexpected", "TCPMD5Failure", "TCPMinTTLDrop"),
        lambda _: "Segments were dropped for a TCP MD5 signature, or because they came from too far away (IP_MINTTL).",
        f"{SYMPTOMS}a-listener-that-wants-a-signature-or-a-near-client",
    ),
    Identity(
        ("InCsumErrors", "IpExtInCsumErrors"),
        rises("InCsumErrors", "IpExtInCsumErrors"),
        lambda _: "Packets arrived with a wrong checksum: a link, or what is on the way, damages them.",
        f"{CATALOGUE}slow-link",
    ),
    Identity(
        (f"{CONNTRACK}insert_failed", f"{CONNTRACK}drop"),
        lambda change: 0 < conntrack_change(change, "insert_failed") <= conntrack_change(change, "drop"),
        lambda change: (
            f"conntrack dropped {plural(conntrack_change(change, 'insert_failed'), 'packet')} whose translated port "
            "was given away (insert_failed): two connections wanted one SNAT port, or none is left."
        ),
        f"{CATALOGUE}snat-race",
    ),
    Identity(
        (f"{CONNTRACK}drop", f"{CONNTRACK}insert_failed", f"{CONNTRACK}early_drop"),
        lambda change: conntrack_change(change, "drop") > conntrack_change(change, "insert_failed"),
        lambda change: (
            f"conntrack dropped "
            f"{plural(conntrack_change(change, 'drop') - conntrack_change(change, 'insert_failed'), 'packet')} of new "
            "connections, and their ports were free: its table is full."
        ),
        f"{CATALOGUE}conntrack-full",
    ),
    Identity(
        (counters.LO_DROPPED,),
        rises(counters.LO_DROPPED),
        lambda change: (
            f"The loopback dropped {plural(change[counters.LO_DROPPED], 'packet')}: the backlog of a CPU was full "
            "(net.core.netdev_max_backlog)."
        ),
        f"{SYMPTOMS}the-backlog-of-the-receiving-cpu",
    ),
)


def explain_changes(change: Changes) -> list[Explanation]:
    """Return what some counters that rose prove."""
    return [
        Explanation(
            identity.text(change), identity.page, {name: change[name] for name in identity.names if name in change}
        )
        for identity in IDENTITIES
        if identity.holds(change)
    ]
