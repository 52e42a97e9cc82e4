# SPDX-License-Identifier: MIT
"""Outcome and cause of an attempt."""

from enum import StrEnum


class Outcome(StrEnum):
    """What the client saw of an attempt. Every attempt has exactly one outcome."""

    CONNECTED = "connected"  # without SYN retransmits
    SELF_CONNECTED = "self_connected"  # to itself: its own port was the server's, and nobody listened there
    RETRIED = "retried"  # connected after SYN retransmits
    TIMED_OUT = "timed_out"  # ETIMEDOUT: the kernel gave up
    REFUSED = "refused"  # ECONNREFUSED
    RESET = "reset"  # ECONNRESET
    NO_PORT = "no_port"  # EADDRNOTAVAIL
    IN_USE = "in_use"  # EADDRINUSE
    UNFINISHED = "unfinished"  # still pending at the plan's deadline or at the end of the storm
    OTHER = "other"  # any other errno


class Cause(StrEnum):
    """Why an attempt was slow or failed. A cause needs proof; without proof it is UNKNOWN."""

    NONE = "none"
    CLOSEWAIT = "closewait"
    TIME_WAIT = "time_wait"
    STALE_SOCKET = "stale_socket"
    ACCEPT_QUEUE = "accept_queue"
    SYN_QUEUE = "syn_queue"
    FD_EXHAUSTION = "fd_exhaustion"
    RST_DROPPED = "rst_dropped"
    CHALLENGE_DROPPED = "challenge_dropped"
    CHALLENGE_LIMITED = "challenge_limited"
    CHALLENGE_INTERCEPTED = "challenge_intercepted"
    LOST_ON_THE_WAY = "lost_on_the_way"
    SNAT_CLASH = "snat_clash"
    SNAT_EXHAUSTED = "snat_exhausted"
    CONNTRACK_FULL = "conntrack_full"
    ECN_DROPPED = "ecn_dropped"
    MPTCP_DROPPED = "mptcp_dropped"
    TFO_DROPPED = "tfo_dropped"
    DROPPED_BY_HOST = "dropped_by_host"
    REFUSED_BY_HOST = "refused_by_host"
    NO_ROUTE_BACK = "no_route_back"
    NO_NEIGHBOUR = "no_neighbour"
    RP_FILTER = "rp_filter"
    MARTIAN = "martian"
    NO_LISTENER = "no_listener"
    REJECTED_BY_RST = "rejected_by_rst"
    REJECTED_BY_ICMP = "rejected_by_icmp"
    PORT_EXHAUSTED = "port_exhausted"
    PORT_RESERVED = "port_reserved"
    PORT_TAKEN = "port_taken"
    NO_SOURCE_ADDRESS = "no_source_address"
    STALLED = "stalled"
    LISTENER_CLOSED = "listener_closed"
    UNKNOWN = "unknown"


MEANINGS: dict[Cause, str] = {
    Cause.NONE: "nothing to explain: the attempt connected within a jiffy, without a SYN sent again; across a link "
    "within a jiffy and the shortest round trip",
    Cause.CLOSEWAIT: "a SYN met a socket of the server in CLOSE_WAIT with the same 4-tuple: a leaked connection",
    Cause.TIME_WAIT: "a SYN met a socket of the server in TIME_WAIT with the same 4-tuple: as behind NAT, or with "
    "timestamps off",
    Cause.STALE_SOCKET: "a SYN met a socket of the server in another state with the same 4-tuple",
    Cause.ACCEPT_QUEUE: "the accept queue was full: the server did not call accept() in time",
    Cause.SYN_QUEUE: "the listener had no room for another half-open connection, and sent no SYN cookie",
    Cause.FD_EXHAUSTION: "the accept queue was full because accept() failed: the server had no descriptor left",
    Cause.RST_DROPPED: "a SYN met an old socket, and the RST that would have removed that did not arrive",
    Cause.CHALLENGE_DROPPED: "a SYN met an old socket, whose challenge ACK did not arrive",
    Cause.CHALLENGE_LIMITED: "a SYN met an old socket, and the kernel's limit withheld the challenge ACK",
    Cause.CHALLENGE_INTERCEPTED: "a SYN met an old socket, and a firewall on the client's side answered the challenge "
    "ACK in the client's place: the old socket is gone, and the client waited for its timeout",
    Cause.LOST_ON_THE_WAY: "a SYN or its SYN-ACK was swallowed between the two TCPs: by a firewall or a link",
    Cause.SNAT_CLASH: "a router gave two connections the same source port at the same moment, and dropped a SYN of one",
    Cause.SNAT_EXHAUSTED: "a router had no source port left to give to the connection, and dropped its SYNs",
    Cause.CONNTRACK_FULL: "a host tracked as many connections as it may, and dropped the SYNs of new ones",
    Cause.ECN_DROPPED: "a SYN that asked for ECN was dropped on the way because it did",
    Cause.MPTCP_DROPPED: "a SYN with MP_CAPABLE (Multipath TCP) was dropped on the way because of it",
    Cause.TFO_DROPPED: "a SYN with the option of TCP Fast Open was dropped on the way because of it",
    Cause.DROPPED_BY_HOST: "the client's own host did not send: its output chain, a cgroup or a queue dropped the SYN",
    Cause.REFUSED_BY_HOST: "connect() failed before any SYN: no route, a rule or a policy of the client's host",
    Cause.NO_ROUTE_BACK: "the server's host has no route for its answer",
    Cause.NO_NEIGHBOUR: "the SYN never left the host: nobody on the link answered for the address of the next hop",
    Cause.RP_FILTER: "a host dropped the SYN, because its own route to the source leads through another device",
    Cause.MARTIAN: "a host dropped the SYN, because the source is an address of its own",
    Cause.NO_LISTENER: "nobody listened there",
    Cause.REJECTED_BY_RST: "an RST refused the connection that the server's TCP had not sent: a firewall did, or "
    "another machine in the server's place",
    Cause.REJECTED_BY_ICMP: "an ICMP error refused the connection",
    Cause.PORT_EXHAUSTED: "no source port was left for this destination: the storm itself held them",
    Cause.PORT_RESERVED: "no source port was left: they are reserved (net.ipv4.ip_local_reserved_ports)",
    Cause.PORT_TAKEN: "no source port was left: sockets of others held them",
    Cause.NO_SOURCE_ADDRESS: "the host has no address of this family from which the target can be reached",
    Cause.STALLED: "the client itself did not run: its process or its whole machine stood still",
    Cause.LISTENER_CLOSED: "it had connected, and was reset in the queue of a listener that closed before accept()",
    Cause.UNKNOWN: "no rule holds: what could be the cause is not proved",
}
