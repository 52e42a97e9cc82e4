# SPDX-License-Identifier: MIT
"""The surroundings of a storm: what of the network namespace the proof of causes rests on, before and after it."""

from typing import Any

import msgspec

from stress.lab import census, counters, sysctl, taken_ports
from stress.model.plan import Plan
from stress.model.record import TakenPorts
from stress.model.world import Topology
from stress.storm.observed_host import ObservedHost
from stress.storm.server_look import find_route_error


class Surroundings:
    """What is around a storm when it begins."""

    def __init__(self, plan: Plan, port_range: tuple[int, int], server: ObservedHost) -> None:
        """Read it now; the calling thread is on the client's host."""
        self.plan = plan
        self.port_range = port_range
        self.server = server
        server.begin_look()
        self.holders = self.list_holders()
        self.source_error = find_source_error(plan)
        self.syn_sent = sum(len(census.list_sockets(family, ["SYN-SENT"])) for family in (4, 6))
        self.outside_packets = counters.read_outside_packets()

    def list_holders(self) -> set[taken_ports.PortHolder]:
        """Return the sockets that take a port of the range now."""
        plan = self.plan
        sources = (plan.source, plan.sources)
        return set(taken_ports.list_port_holders(sources, plan.target, plan.server_ports, self.port_range))

    def changes(self) -> dict[str, Any]:
        """Return what is known of the surroundings after the storm, as fields of an Act."""
        plan, error = self.plan, self.source_error
        look = self.server.end_look()
        outside: int | None = 0  # the devices of a world move nothing but the storm
        if plan.world.topology is Topology.LOOPBACK:
            outside = counters.read_outside_packets() - self.outside_packets
        elif plan.world.topology is Topology.PEER:
            outside = None
        return {
            "outside_packets": outside,
            "syn_sent_before": self.syn_sent,
            "taken": [
                TakenPorts(sysctl.ports_text(ports), owner, state)
                for (owner, state), ports in taken_ports.group_by_owner(self.holders & self.list_holders()).items()
            ],
            "reserved": count_reserved(self.port_range),
            "source_error": error if error == find_source_error(plan) else None,
        } | msgspec.structs.asdict(look)


def count_reserved(port_range: tuple[int, int]) -> int:
    """Return how many ports of a range ip_local_reserved_ports reserves."""
    low, high = port_range
    return sum(low <= port <= high for port in sysctl.parse_ports(sysctl.read(sysctl.RESERVED_PORTS) or ""))


def find_source_error(plan: Plan) -> str | None:
    """Return the errno of the kernel when it is asked for a source address towards the target; None if it has one."""
    return find_route_error(plan.target, plan.target_port)
