# SPDX-License-Identifier: MIT
"""What became of captured packets, in words."""

from collections.abc import Sequence

from stress.model.summary import Fate, Packet
from stress.model.units import duration_text
from stress.model.world import CLIENT, SERVER

BOTH_ENDS = (CLIENT, SERVER)  # of a capture on one host, which is both
HELD_SHOWN_NS = 1_000_000  # less is the work of forwarding, on a busy machine
NOTHING_SENT = "no packet left the client"


def fate_text(packet: Packet, hosts: Sequence[str]) -> str:
    """Return where a packet was lost, or that nobody answered it: ``lost at router``; ``""`` where neither is known.

    Args:
        packet: the packet.
        hosts: between which it went, from the client to the server.
    """
    if not packet.hosts:
        return ""
    last = packet.hosts[-1]
    match packet.fate:
        case Fate.UNANSWERED:
            return f"no answer from {last}"
        case Fate.LOST_IN_HOST:
            return f"lost at {last}"
        case Fate.LOST_ON_LINK:
            return f"lost between {last} and {next_host(packet, hosts)}"
        case _:
            return ""


def held_text(packet: Packet) -> str:
    """Return how long a host held a packet, ``held 14.1 ms at router``; ``""`` where that was a short time."""
    return f"held {duration_text(packet.held_ns)} at {packet.held_at}" if packet.held_ns >= HELD_SHOWN_NS else ""


def next_host(packet: Packet, hosts: Sequence[str]) -> str:
    """Return the host to which the last one that saw a packet has sent it."""
    return hosts[hosts.index(packet.hosts[-1]) + (1 if packet.from_client else -1)]
