# SPDX-License-Identifier: MIT
"""Rate limit: whether more comes than a serving host permits, from counts that are read ten times a second.

In any time t, of which less than a second counts as a second, at most rate * t may come, and a little. A client that
paces itself by ``storm.peer.pace`` never exceeds that; one that is above the rate by a tenth of it does so within 2 s
and one look, however unevenly it sends.
"""

from collections import deque
from dataclasses import dataclass

from stress.model.peer import OVER_RATE_S

LOOK_S = 0.1
SPARE_SHARE = 0.08  # of the rate per second: less than a tenth, by as much as may come between two looks
SPARE = 3  # whole connections: the first one of all, which comes before a storm, and the ends of a time


@dataclass(frozen=True)
class Look:
    """How many had come, read between two moments, for a look takes time, and may be interrupted.

    Attributes:
        began_s: the moment before it was read (time.monotonic).
        ended_s: the moment after.
        least: had come at the latest moment.
        most: had come at the earliest moment.
    """

    began_s: float
    ended_s: float
    least: int
    most: int


class RateLimit:
    """What one session may send of one kind."""

    def __init__(self, max_rate_per_s: float, begin_s: float, kind: str = "connections") -> None:
        """Begin with nothing at a moment; the kind is for messages."""
        self.max_rate_per_s = max_rate_per_s
        self.kind = kind
        self.spare = SPARE_SHARE * max_rate_per_s + SPARE
        first = Look(begin_s, begin_s, 0, 0)
        self.recent = deque([first])  # looks of the last second
        self.calmest: Look | None = None  # of those before, after which most is permitted still

    def find_excess(self, look: Look) -> str | None:
        """Return in words by what a look exceeds the rate, given those before it; None: it does not.

        What came since each of these is permitted, or not: of those within a second the first one decides, and of those
        before it the one with the lowest count less what had been permitted by then.
        """
        while self.recent and look.ended_s - self.recent[0].began_s >= OVER_RATE_S:
            past = self.recent.popleft()
            if self.calmest is None or self.level(past) <= self.level(self.calmest):
                self.calmest = past
        self.recent.append(look)
        permitted = self.max_rate_per_s
        for past in filter(None, (self.recent[0], self.calmest)):
            came, time_s = look.least - past.most, look.ended_s - past.began_s
            if came > permitted * max(time_s, OVER_RATE_S) + self.spare:
                return f"{came:,} {self.kind} came within {time_s:.1f} s, and {permitted:,g} a second are permitted"
        return None

    def level(self, look: Look) -> float:
        """Return the count of a look, less what the rate permitted by then."""
        return look.most - self.max_rate_per_s * look.began_s
