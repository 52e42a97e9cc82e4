# SPDX-License-Identifier: MIT
"""What became of captured packets, in words."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from stress.model.summary import Evidence, Fate, Packet
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


def way_cells(packet: Packet, hosts: Sequence[str]) -> list[str]:
    """Return a host, the arrow to the next, that host, and so on; nothing where the packet did not come."""
    seen = packet.hosts or hosts
    cells = [hosts[0] if hosts[0] in seen else ""]
    ends = {seen[-1], next_host(packet, hosts)} if packet.fate is Fate.LOST_ON_LINK else set()
    for left, right in pairwise(hosts):
        is_crossed = left in seen and right in seen
        cells += [
            arrow(packet, is_lost=not is_crossed) if is_crossed or ends == {left, right} else "",
            right if right in seen else "",
        ]
    return cells


def arrow(packet: Packet, *, is_lost: bool) -> str:
    """Return the way from one host to the next."""
    if packet.from_client:
        return f"──── {packet.flags:>2} ───{'✗' if is_lost else '▶'}"
    return f"{'✗' if is_lost else '◀'}─── {packet.flags:<2} ────"


def first_of_every_cause(evidence: Iterable[Evidence]) -> list[Evidence]:
    """Return the first evidence of each cause, and of each place where packets of such attempts were lost."""
    first: dict[tuple[str, frozenset[tuple[str, str]]], Evidence] = {}
    for item in evidence:
        fates = ((packet.flags, fate_text(packet, item.hosts)) for packet in item.packets)
        first.setdefault((item.cause, frozenset(pair for pair in fates if pair[1])), item)
    return list(first.values())
