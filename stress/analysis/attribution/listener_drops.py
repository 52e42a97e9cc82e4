# SPDX-License-Identifier: MIT
"""Which of the packets that listeners dropped are those of the listeners on the target."""

from stress.model.record import Act


def count_listener_drops(act: Act, drops: int) -> int | None:
    """Return how many of ListenDrops are those of the listeners on the target; None where that is not known.

    ListenDrops is the namespace's. sk_drops is the listener's own, but counts what a socket filter dropped and SYNs
    that met a half-open connection as well (tcp_v4_rcv()). So the drops are the target's where no other listener
    dropped anything, nobody's of the target where its sk_drops did not rise, and each one's sk_drops where these
    add up to ListenDrops.

    Args:
        act: with its listeners.
        drops: by how much ListenDrops rose.
    """
    if not drops:
        return 0
    if not act.listening:  # of schema 2: with a namespace of its own the server is the only one
        return None if act.plan.host else drops
    if any(listening.drops is None for listening in act.listening):
        return None
    own = sum(listening.drops or 0 for listening in act.listening if listening.on_target)
    others = sum(listening.drops or 0 for listening in act.listening if not listening.on_target)
    if not others and own >= drops:
        return drops
    return own if not own or own + others == drops else None
