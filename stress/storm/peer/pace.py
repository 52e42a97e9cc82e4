# SPDX-License-Identifier: MIT
"""Pace: what a client keeps to, so that a serving host that counts its connections never cuts it off.

It counts a connection when the kernel there has completed it. A link may delay what was sent, and let it go at once: in
any time at most as many come as were started in it, and as many as were in flight at its beginning. Both are bounded
here, so that ``storm.peer.rate_limit`` is kept to whatever the link does, and however long this client is stalled.
"""

PACE = 0.9  # of the rate that is permitted
CATCH_UP_NS = 20_000_000  # a late client makes up for what was due within so long, and leaves out the rest
PENDING_SHARE = 1.05  # of what is permitted in a second: that are started in it, and in flight before


def pending_max(permitted_per_s: float, rate_per_s: float) -> int:
    """Return how many attempts may be in flight at once.

    Args:
        permitted_per_s: what the serving host permits.
        rate_per_s: of the starts.
    """
    return max(1, int(PENDING_SHARE * permitted_per_s - rate_per_s))
