# SPDX-License-Identifier: MIT
"""The segments of a storm at the devices of one host, by one counter for each client whose segments cross them."""

from contextlib import ExitStack

import msgspec

from stress.lab.segment_counter import SegmentCounter
from stress.model import segment_count as kinds
from stress.model.plan import Plan
from stress.model.world import SERVER

OF_THE_HOST = (kinds.TCP_CAME, kinds.TCP_RECEIVED)  # which every counter has alike


class SegmentCounters:
    """Count in the network namespace of the calling thread from construction on."""

    def __init__(self, plan: Plan, host: str) -> None:
        """Begin to count: on the server's host the segments of all clients, else those of the plan's source."""
        sources = [plan.source, *(plan.clients if host == SERVER else ())]
        self.stack = ExitStack()
        self.counters = [
            self.stack.enter_context(SegmentCounter(msgspec.structs.replace(plan, source=source), host))
            for source in sources
        ]

    def read(self) -> dict[str, int]:
        """Return how many segments of each kind have crossed so far, as ``SegmentCounter.read``."""
        return sum_clients([counter.read() for counter in self.counters])

    def close(self) -> None:
        """Stop counting."""
        self.stack.close()


def sum_clients(counts: list[dict[str, int]]) -> dict[str, int]:
    """Return the counts of all clients; nothing where those of one are missing.

    What one counter takes for a SYN of others may be that of another client.
    """
    first, *rest = counts
    if not rest or not all(counts):
        return first if all(counts) else {}
    total = {kind: sum(count.get(kind, 0) for count in counts) for kind in first if kind not in OF_THE_HOST}
    if kinds.SYN_OF_OTHERS in first:
        total[kinds.SYN_OF_OTHERS] = first[kinds.SYN_OF_OTHERS] - sum(count[kinds.SYN] for count in rest)
    return total | {kind: first[kind] for kind in OF_THE_HOST if kind in first}
