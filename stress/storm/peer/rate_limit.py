# SPDX-License-Identifier: MIT
"""Rate limit: whether more connections come than a serving host permits, from counts read ten times a second.

A connection counts when the kernel has completed it: it was accepted, or is in an accept queue. Where a queue is full
and nobody accepts, SYNs are dropped; a client that keeps to the rate sends each of them again some times, so that only
so many of them as one attempt can have at most count as a connection.
"""

from collections import deque
from dataclasses import dataclass

from stress.model.peer import OVER_RATE_S

LOOK_S = 0.1
LOOKS = round(OVER_RATE_S / LOOK_S)
SYNS_OF_AN_ATTEMPT = 12  # the first, 4 by net.ipv4.tcp_syn_linear_timeouts (Linux 6.5), 6 by tcp_syn_retries


@dataclass(frozen=True)
class Load:
    """What had come to the listening sockets of a session at a moment.

    Attributes:
        at_s: the moment (time.monotonic).
        completed: connections that were accepted or wait in an accept queue.
        dropped: SYNs and ACKs that found a queue full.
    """

    at_s: float
    completed: int
    dropped: int

    @property
    def connections(self) -> float:
        """What counts."""
        return self.completed + self.dropped / SYNS_OF_AN_ATTEMPT


class RateLimit:
    """Judges the loads of one session."""

    def __init__(self, max_rate_per_s: float, begin_s: float) -> None:
        """Begin with nothing at a moment."""
        self.max_rate_per_s = max_rate_per_s
        self.begin_s = begin_s
        self.last = Load(begin_s, 0, 0)
        self.rates: deque[float] = deque(maxlen=LOOKS)

    def find_excess(self, load: Load) -> str | None:
        """Return in words by what a load exceeds the rate, given those before it; None: it does not.

        It does when more than the rate came in every one of the last tenths of OVER_RATE_S, or when more came in total
        than the rate permits in the time so far and OVER_RATE_S.
        """
        elapsed_s = max(load.at_s - self.last.at_s, LOOK_S / 10)
        self.rates.append((load.connections - self.last.connections) / elapsed_s)
        self.last = load
        total_s = load.at_s - self.begin_s
        permitted = self.max_rate_per_s
        if len(self.rates) == LOOKS and min(self.rates) > permitted:
            mean = sum(self.rates) / LOOKS
            return f"{mean:,.0f} connections a second came for {OVER_RATE_S:g} s, and {permitted:,g} are permitted"
        if load.connections > permitted * (total_s + OVER_RATE_S):
            return (
                f"{load.connections:,.0f} connections came within {total_s:.1f} s, and {permitted:,g} a second are "
                "permitted"
            )
        return None
