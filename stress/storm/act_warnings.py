# SPDX-License-Identifier: MIT
"""Sentences that a reader of the results of an act must know."""

from collections.abc import Iterator

from stress.model.peer import PeerReport
from stress.model.plan import Plan
from stress.storm.act_result import Aftermath
from stress.storm.world_capture import describe_gaps

SETTLE_LIMIT_S = 10.0  # that the server may take to close every connection


def act_warnings(
    plan: Plan, after: Aftermath, peer: PeerReport | None, where: str, *, has_word: bool, lost: str | None
) -> Iterator[str]:
    """Yield the warnings.

    Args:
        plan: of the act.
        after: what was seen after its storm.
        peer: the serving host of a storm across a link.
        where: the words that name the act; empty where it is the only one.
        has_word: whether the kernel's own word was to be had.
        lost: the further client that was lost, if one was.
    """
    packets = after.packets
    if not after.settled:
        yield (
            f"The server had not closed every connection {SETTLE_LIMIT_S:g} s after the storm{where}, so its "
            "counters may be incomplete."
        )
    if has_word and plan.world.translates:
        yield f"A router translates addresses{where}: the kernel's own word is not joined with attempts there."
    if packets is not None:
        yield from describe_gaps(packets, where, peer.name if peer else None)
    if peer is not None and peer.lost is not None:
        yield (
            f"The control channel to {lost or peer.name} was lost{where}: {peer.lost.rstrip('.')}. Nothing but the "
            "attempts was recorded, and no cause is named."
        )
