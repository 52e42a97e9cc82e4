# SPDX-License-Identifier: MIT
"""Explanations: a host on the way translates addresses, tracks connections, or does not forward."""

from stress.analysis.symptoms.commands import CONNTRACK_SUMS, RULES, counters
from stress.analysis.symptoms.seen import LADDER, ONE_SECOND, TIMEOUT
from stress.model.outcome import Cause
from stress.model.symptom import Command, Explanation, Side, Sight

CONNTRACK = Command(
    Side.ROUTER, CONNTRACK_SUMS, "insert_failed and drop, hexadecimal, one line for each CPU: sum them up"
)
LOST = (Cause.LOST_ON_THE_WAY,)

EXPLANATIONS = (
    Explanation(
        "snat-race",
        "two connections that get one SNAT port",
        (Side.ROUTER, "insert_failed = drop"),
        "a router with masquerade gives two connections, begun on two CPUs at one moment, the same port; it drops the "
        "second SYN, and the next one gets another port",
        "on the router insert_failed = drop = the clients' TCPSynRetrans; the server sees nothing; ports are left",
        (
            Sight(
                ONE_SECOND,
                "many new connections at one moment",
                "85 of 800 at 1.00–1.03 s, Linux 6.18; with fully-random none of 800",
            ),
        ),
        (
            CONNTRACK,
            counters(Side.CLIENT, "TcpExtTCPSynRetrans"),
            Command(Side.ROUTER, RULES, "masquerade without fully-random", is_for_root=True),
        ),
        (Cause.SNAT_CLASH, *LOST),
        ("snat-race",),
    ),
    Explanation(
        "snat-exhausted",
        "no SNAT port left",
        (Side.ROUTER, "insert_failed = drop"),
        "every port that a router may give to this destination is in use, and it drops each SYN",
        "on the router insert_failed = drop = every SYN of these attempts",
        (
            Sight(TIMEOUT, figure="10 of 20 with ten ports, Linux 6.18"),
            Sight(LADDER, "ports are free again"),
        ),
        (
            CONNTRACK,
            Command(Side.ROUTER, RULES, "the range of snat to …", is_for_root=True),
        ),
        (Cause.SNAT_EXHAUSTED, *LOST),
        ("snat-exhausted",),
    ),
    Explanation(
        "conntrack-full",
        "a full conntrack table",
        (Side.ROUTER, "drop rises, insert_failed does not"),
        "a host on the way tracks as many connections as it may, and drops packets of new ones",
        "on that host drop = SYNs, and insert_failed does not move; its log says: nf_conntrack: table full",
        (Sight(TIMEOUT, figure="20 of 40, an emulated Linux 6.1"), Sight(LADDER, "entries end")),
        (
            CONNTRACK,
            Command(
                Side.ROUTER,
                "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max",
                "equal, or nearly",
            ),
            Command(Side.ROUTER, "dmesg | grep 'table full'", is_for_root=True),
        ),
        (Cause.CONNTRACK_FULL, *LOST),
        ("conntrack-full", "conntrack-table"),
    ),
    Explanation(
        "no-forwarding",
        "a router that does not forward",
        (Side.ROUTER, "Ip.InAddrErrors rises"),
        "net.ipv4.ip_forward is 0 on a host on the way",
        "Ip.InAddrErrors of the router = SYNs",
        (Sight(TIMEOUT),),
        (
            counters(Side.ROUTER, "IpInAddrErrors"),
            Command(Side.ROUTER, "sysctl net.ipv4.ip_forward", "0"),
        ),
        LOST,
    ),
)
