# SPDX-License-Identifier: MIT
"""The books of what got lost: segments that no TCP received, checked against the rules that dropped some."""

from collections.abc import Iterator

from stress.analysis.attribution.balance import balance_segments
from stress.lab.counters import LO_DROPPED
from stress.model.mine import UNHEARD
from stress.model.run import Storm
from stress.model.world import Drop


def lost_segment_claims(storm: Storm, retransmits: int) -> Iterator[tuple[str, int, str, int]]:
    """Yield the claim that what the rules of the world dropped is what was sent and not received.

    It holds for SYN-ACKs, too, which the server sends again by itself. Where anything but these rules may swallow
    segments, or a rule may match others, nothing is claimed.

    Args:
        storm: with its counters.
        retransmits: SYNs that its attempts sent again.
    """
    act, world = storm.act, storm.act.plan.world
    others = world.routes or world.queues or act.plan.drop is not Drop.NOTHING
    if not world.rules or others or act.segments_in_flight or UNHEARD in act.dropped:
        return
    if any(rule.stops is None or rule.action != "drop" for rule in world.rules):
        return
    balance = balance_segments(act.counters, act.outside_packets, retransmits, alone=True)
    if balance is not None:
        counter = " + ".join((LO_DROPPED, *(f"rule {rule.name}" for rule in world.rules)))
        dropped = act.counters.get(LO_DROPPED, 0) + sum(act.dropped[rule.name] for rule in world.rules)
        yield "segments that no TCP received", balance.low, counter, dropped
