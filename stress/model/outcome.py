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

    NONE = "none"  # nothing to explain: connected within a jiffy, without SYN retransmits
    CLOSEWAIT = "closewait"  # the SYN met a CLOSE_WAIT socket with the same 4-tuple
    STALE_SOCKET = "stale_socket"  # it met one in another state
    ACCEPT_QUEUE = "accept_queue"
    SYN_QUEUE = "syn_queue"
    FD_EXHAUSTION = "fd_exhaustion"
    RST_DROPPED = "rst_dropped"
    CHALLENGE_DROPPED = "challenge_dropped"
    CHALLENGE_LIMITED = "challenge_limited"
    LOST_ON_THE_WAY = "lost_on_the_way"  # swallowed between the two TCPs: a firewall, a link
    DROPPED_BY_HOST = "dropped_by_host"  # the client's own host refused to send: output chain, cgroup, queue
    REFUSED_BY_HOST = "refused_by_host"  # connect() failed before any SYN: no route, a rule, a policy
    NO_ROUTE_BACK = "no_route_back"  # the server has no route for its answer
    NO_LISTENER = "no_listener"
    REJECTED_BY_RST = "rejected_by_rst"  # an RST that no TCP sent
    REJECTED_BY_ICMP = "rejected_by_icmp"
    PORT_EXHAUSTED = "port_exhausted"
    PORT_RESERVED = "port_reserved"
    PORT_TAKEN = "port_taken"  # by sockets of others
    NO_SOURCE_ADDRESS = "no_source_address"
    STALLED = "stalled"  # the client itself did not run
    UNKNOWN = "unknown"
