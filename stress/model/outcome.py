# SPDX-License-Identifier: MIT
"""Outcome and cause of an attempt."""

from enum import StrEnum


class Outcome(StrEnum):
    """What the client saw of an attempt. Every attempt has exactly one outcome."""

    CONNECTED = "connected"  # without SYN retransmits
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

    NONE = "none"  # nothing to explain: connected without SYN retransmits
    CLOSEWAIT = "closewait"  # the SYN met a CLOSE_WAIT socket with the same 4-tuple
    ACCEPT_QUEUE = "accept_queue"
    FD_EXHAUSTION = "fd_exhaustion"
    RST_DROPPED = "rst_dropped"
    CHALLENGE_DROPPED = "challenge_dropped"
    CHALLENGE_LIMITED = "challenge_limited"
    PORT_EXHAUSTED = "port_exhausted"
    UNKNOWN = "unknown"
