# SPDX-License-Identifier: MIT
"""The mark of each cause in the timeline of a page: its shape, and its colour by the number that styles have it under.

Shapes are those of assets/timeline_axes.js, colours ``--cause-1`` to ``--cause-8`` of assets/page.css. Causes of one
kind share a colour; no two causes share both.
"""

from stress.model.outcome import Cause

CAUSE_MARKS: dict[Cause, tuple[str, int]] = {
    Cause.NONE: ("ring", 8),
    Cause.CLOSEWAIT: ("circle", 1),
    Cause.TIME_WAIT: ("square", 1),
    Cause.STALE_SOCKET: ("pentagon", 1),
    Cause.ACCEPT_QUEUE: ("square", 2),
    Cause.SYN_QUEUE: ("pentagon", 2),
    Cause.FD_EXHAUSTION: ("diamond", 2),
    Cause.LISTENER_CLOSED: ("down", 2),
    Cause.RST_DROPPED: ("cross", 3),
    Cause.CHALLENGE_DROPPED: ("plus", 3),
    Cause.CHALLENGE_LIMITED: ("up", 3),
    Cause.CHALLENGE_INTERCEPTED: ("diamond", 3),
    Cause.NO_LISTENER: ("down", 3),
    Cause.REJECTED_BY_RST: ("star", 3),
    Cause.REJECTED_BY_ICMP: ("flat", 3),
    Cause.STALLED: ("bar", 4),
    Cause.PORT_EXHAUSTED: ("down", 4),
    Cause.PORT_RESERVED: ("left", 4),
    Cause.PORT_TAKEN: ("right", 4),
    Cause.NO_SOURCE_ADDRESS: ("pentagon", 4),
    Cause.LOST_ON_THE_WAY: ("cross", 5),
    Cause.ECN_DROPPED: ("diamond", 5),
    Cause.MPTCP_DROPPED: ("square", 5),
    Cause.TFO_DROPPED: ("pentagon", 5),
    Cause.DROPPED_BY_HOST: ("left", 5),
    Cause.SNAT_CLASH: ("circle", 6),
    Cause.SNAT_EXHAUSTED: ("down", 6),
    Cause.CONNTRACK_FULL: ("square", 6),
    Cause.REFUSED_BY_HOST: ("left", 7),
    Cause.NO_ROUTE_BACK: ("right", 7),
    Cause.NO_NEIGHBOUR: ("up", 7),
    Cause.RP_FILTER: ("down", 7),
    Cause.MARTIAN: ("diamond", 7),
    Cause.UNKNOWN: ("star", 8),
}
