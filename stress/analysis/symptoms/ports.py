# SPDX-License-Identifier: MIT
"""Explanations: source ports and addresses."""

from stress.analysis.symptoms.commands import counters
from stress.analysis.symptoms.seen import NO_PORT, SELF_CONNECTED, SLOW
from stress.model.outcome import Cause
from stress.model.symptom import Command, Explanation, Side, Sight

PORTS_IN_USE = Command(Side.CLIENT, "ss -tan dst SERVER | awk '{print $1}' | sort | uniq -c", "ports in use, by state")
RANGE = Command(Side.CLIENT, "sysctl net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports", "what may be used")

EXPLANATIONS = (
    Explanation(
        "ports-used-up",
        "every port is in use",
        (Side.CLIENT, "own sockets on every port of the range"),
        "the client holds a socket on every port of its range towards this destination, mostly in TIME_WAIT or "
        "FIN_WAIT_2",
        "its sockets towards this destination = ports of the range that are not reserved; no counter moves",
        (
            Sight(
                NO_PORT,
                "more new connections to one destination than ports × destinations / 60 s",
                errnos=("EADDRNOTAVAIL",),
            ),
            Sight(NO_PORT, "bind() to port 0 before connect(): every port that any socket has", errnos=("EADDRINUSE",)),
        ),
        (PORTS_IN_USE, RANGE),
        (Cause.PORT_EXHAUSTED,),
        ("port-exhaustion", "fin-wait-2", "translator", "reserved-ports"),
    ),
    Explanation(
        "ports-reserved",
        "every port is reserved",
        (Side.CLIENT, "ip_local_reserved_ports covers the range"),
        "net.ipv4.ip_local_reserved_ports covers the range, so that the kernel may choose none",
        "reserved ports = ports of the range, and hardly any socket has one",
        (Sight(NO_PORT),),
        (RANGE,),
        (Cause.PORT_RESERVED,),
        ("reserved-ports",),
    ),
    Explanation(
        "ports-of-others",
        "others have the ports",
        (Side.CLIENT, "sockets of others on every port of the range"),
        "sockets of other programs were bound to the ports of the range",
        "sockets of others on the range = its ports",
        (Sight(NO_PORT),),
        (Command(Side.CLIENT, "ss -tanp", "who has the ports; programs of others as root"), RANGE),
        (Cause.PORT_TAKEN,),
    ),
    Explanation(
        "no-source",
        "no source address",
        (Side.CLIENT, "ip route get has no src, or not the program's"),
        "the address that the program binds to is not of this host, or the host has none from which the target can be "
        "reached",
        "the kernel, asked for a source address towards the target, has none; no port was searched",
        (
            Sight(NO_PORT, "IPv6 is off, and the name has an IPv6 address", errnos=("EADDRNOTAVAIL",)),
            Sight(NO_PORT, "bind() to an address that is not of this host", errnos=("EADDRNOTAVAIL",)),
        ),
        (
            Command(
                Side.CLIENT, "ip route get SERVER; ip addr show", "src, and whether the program's address is there"
            ),
            Command(Side.CLIENT, "sysctl net.ipv6.conf.all.disable_ipv6", "1: there is no IPv6 address"),
        ),
        (Cause.NO_SOURCE_ADDRESS,),
        ("no-source",),
    ),
    Explanation(
        "port-search",
        "the search for a port",
        (Side.CLIENT, "sockets on more than half of the range"),
        "more than half of the range is taken for this destination, and connect() looks at thousands of ports before "
        "it finds a free one",
        "no SYN was sent again, no packet lost; CPU time in __inet_hash_connect",
        (Sight(SLOW, "more than half of the range is taken", "0.8–4 ms from 28,232 ports, Linux 6.18"),),
        (
            PORTS_IN_USE,
            RANGE,
            Command(Side.CLIENT, "perf top -g", "__inet_hash_connect, __inet_check_established", is_for_root=True),
            counters(Side.CLIENT, "TcpExtTCPSynRetrans", look="does not rise"),
        ),
        (),
        ("port-cost",),
    ),
    Explanation(
        "self-connected",
        "the client connected to itself",
        (Side.CLIENT, "a socket whose two ends are the same"),
        "nobody listens on a port of the client's own range on the same host; connect() drew that very port as its "
        "source, and its SYN met itself",
        "getsockname() = getpeername()",
        (Sight(SELF_CONNECTED, "target on the same host, its port in ip_local_port_range"),),
        (
            Command(Side.CLIENT, "ss -tn 'sport = :PORT and dport = :PORT'", "one socket, both ends the same"),
            RANGE,
        ),
        (Cause.NO_LISTENER,),
        ("self-connect",),
    ),
)
