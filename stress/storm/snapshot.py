# SPDX-License-Identifier: MIT
"""What moves while a storm goes on: the kernel's counters, the sockets, the server's report, stolen CPU time."""

from typing import Any

from stress.lab import census, counters, host
from stress.lab.listener import Listener
from stress.model.plan import Plan


class StormSnapshot:
    """The world as it was just before a storm."""

    def __init__(self, plan: Plan, listener: Listener) -> None:
        """Look at everything now, the counters last: nothing that looks moves them."""
        self.plan = plan
        self.listener = listener
        self.census_before = census.census(plan.family, plan.server_ports)
        self.served_before = listener.report()
        self.stolen_before_ms = host.stolen_ms()
        self.counters_before = counters.read()

    def changes(self, epoch_ns: int) -> dict[str, Any]:
        """Return what has changed since, as fields of an Act."""
        starved_ns = self.listener.starved_ns()
        return {
            "counters": counters.change(self.counters_before, counters.read()),
            "census_before": self.census_before,
            "census_after": census.census(self.plan.family, self.plan.server_ports),
            "listener": self.listener.report().since(self.served_before),
            "waiting": self.listener.queue_length(),
            "starved_ns": starved_ns and (starved_ns[0] - epoch_ns, starved_ns[1] - epoch_ns),
            "stolen_ms": host.stolen_ms() - self.stolen_before_ms,
        }
