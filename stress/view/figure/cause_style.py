# SPDX-License-Identifier: MIT
"""The colour, marker and name of each cause in figures."""

from matplotlib.lines import Line2D

from stress.model.outcome import Cause
from stress.view.figure.style import Look

# Okabe and Ito again, with shapes; a cause has the look of the outcome that it mostly leads to, if there is one.
CAUSE_LOOKS: dict[Cause, Look] = {
    Cause.NONE: Look("#2c4a73", "s", "connected at once"),
    Cause.CLOSEWAIT: Look("#E69F00", "o", "met CLOSE-WAIT"),
    Cause.ACCEPT_QUEUE: Look("#0072B2", "s", "accept queue full"),
    Cause.FD_EXHAUSTION: Look("#56B4E9", "D", "server out of descriptors"),
    Cause.RST_DROPPED: Look("#D55E00", "X", "RST dropped"),
    Cause.CHALLENGE_DROPPED: Look("#000000", "P", "challenge ACK dropped"),
    Cause.CHALLENGE_LIMITED: Look("#009E73", "^", "challenge ACK withheld"),
    Cause.CHALLENGE_INTERCEPTED: Look("#8E44AD", "D", "firewall answered the challenge ACK"),
    Cause.TIME_WAIT: Look("#E69F00", "s", "met TIME-WAIT"),
    Cause.STALE_SOCKET: Look("#8C510A", "o", "met an old socket"),
    Cause.SYN_QUEUE: Look("#0072B2", "p", "SYN queue full"),
    Cause.LOST_ON_THE_WAY: Look("#A6228E", "x", "lost on the way"),
    Cause.SNAT_CLASH: Look("#5E3C99", "o", "router gave its port twice"),
    Cause.SNAT_EXHAUSTED: Look("#5E3C99", "v", "router out of ports"),
    Cause.CONNTRACK_FULL: Look("#8073AC", "s", "conntrack table full"),
    Cause.ECN_DROPPED: Look("#A6228E", "D", "SYN with ECN dropped"),
    Cause.MPTCP_DROPPED: Look("#A6228E", "H", "SYN with MPTCP dropped"),
    Cause.TFO_DROPPED: Look("#A6228E", "p", "SYN with Fast Open dropped"),
    Cause.DROPPED_BY_HOST: Look("#A6228E", "<", "own host did not send"),
    Cause.REFUSED_BY_HOST: Look("#7A7A00", "<", "own host refused"),
    Cause.NO_ROUTE_BACK: Look("#7A7A00", ">", "server has no route back"),
    Cause.NO_NEIGHBOUR: Look("#7A7A00", "^", "neighbour did not answer"),
    Cause.RP_FILTER: Look("#7A7A00", "v", "reverse path filter"),
    Cause.MARTIAN: Look("#7A7A00", "h", "source is the server's own"),
    Cause.NO_LISTENER: Look("#B8000F", "d", "nobody listens"),
    Cause.REJECTED_BY_RST: Look("#B8000F", "X", "rejected by an RST"),
    Cause.REJECTED_BY_ICMP: Look("#B8000F", "P", "rejected by ICMP"),
    Cause.PORT_EXHAUSTED: Look("#CC79A7", "v", "no port free"),
    Cause.PORT_RESERVED: Look("#CC79A7", "1", "ports reserved"),
    Cause.PORT_TAKEN: Look("#CC79A7", "2", "ports taken by others"),
    Cause.NO_SOURCE_ADDRESS: Look("#CC79A7", "h", "no source address"),
    Cause.STALLED: Look("#4D9221", "|", "client did not run"),
    Cause.LISTENER_CLOSED: Look("#B8000F", "p", "its listener closed"),
    Cause.UNKNOWN: Look("#6b6b6b", "*", "cause unknown"),
}

EDGED_PT = 4  # points; on smaller marks a white edge would leave little of the colour


def cause_marker(cause: Cause, *, size: float, alpha: float = 1) -> Line2D:
    """Return a mark of a cause without data; ``size`` is in points."""
    look = CAUSE_LOOKS[cause]
    is_stroke = look.marker not in Line2D.filled_markers  # all of it is edge
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=look.marker,
        markersize=size,
        markerfacecolor=look.colour,
        markeredgecolor=look.colour if is_stroke else "white",
        markeredgewidth=max(size * 0.2, 0.8) if is_stroke else size * 0.05 if size > EDGED_PT else 0,
        alpha=alpha,
        label=look.label,
        zorder=3,
    )
