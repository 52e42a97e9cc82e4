# SPDX-License-Identifier: MIT
"""Outcome: what the client saw of an attempt."""

from enum import StrEnum


class Outcome(StrEnum):
    """What the client saw. Every attempt has exactly one."""

    CONNECTED = "connected"  # at once, with no SYN sent again
    RETRIED = "retried"  # connected after SYN retransmits
    TIMED_OUT = "timed_out"  # ETIMEDOUT: the kernel gave up
    REFUSED = "refused"  # ECONNREFUSED
    RESET = "reset"  # ECONNRESET
    NO_PORT = "no_port"  # EADDRNOTAVAIL
    IN_USE = "in_use"  # EADDRINUSE
    UNFINISHED = "unfinished"  # the plan's deadline, or the end of the storm, came first
    OTHER = "other"  # any other errno


class Cause(StrEnum):
    """Why an attempt was slow or failed. Named only with proof; without it the cause is UNKNOWN."""

    NONE = "none"  # nothing to explain: connected at once
    CLOSEWAIT = "closewait"  # the SYN met a CLOSE_WAIT socket on its own 4-tuple
    ACCEPT_QUEUE = "accept_queue"
    FD_EXHAUSTION = "fd_exhaustion"
    RST_DROPPED = "rst_dropped"
    CHALLENGE_DROPPED = "challenge_dropped"
    CHALLENGE_LIMITED = "challenge_limited"
    PORT_EXHAUSTED = "port_exhausted"
    UNKNOWN = "unknown"
