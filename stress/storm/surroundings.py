# SPDX-License-Identifier: MIT
"""The surroundings of a storm: what of the network namespace the proof of causes rests on, before and after it."""

import errno
import socket
from typing import Any

from stress.lab import census, counters, listening, socket_owner, sysctl, taken_ports
from stress.lab.network import Network
from stress.model.plan import Plan
from stress.model.record import ListeningReport, TakenPorts
from stress.model.world import SERVER, Topology

SOMAXCONN = "net.core.somaxconn"


class Surroundings:
    """What is around a storm when it begins."""

    def __init__(self, plan: Plan, port_range: tuple[int, int], network: Network) -> None:
        """Read it now."""
        self.plan = plan
        self.port_range = port_range
        self.network = network
        with network.inside(SERVER):
            self.listening = listening.list_listening()
            self.return_error = find_return_error(plan)
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
        with self.network.inside(SERVER):
            listening_after = listening.list_listening()
            listening_reports = report_listening(plan, self.listening, listening_after)
            elsewhere = listening.list_elsewhere(plan.target, plan.server_ports)
            return_error = find_return_error(plan)
        # The devices of a world move nothing but the storm.
        is_alone = plan.world.topology is Topology.LOOPBACK
        return {
            "outside_packets": counters.read_outside_packets() - self.outside_packets if is_alone else 0,
            "syn_sent_before": self.syn_sent,
            "listening": listening_reports,
            "taken": [
                TakenPorts(sysctl.ports_text(ports), owner, state)
                for (owner, state), ports in taken_ports.group_by_owner(self.holders & self.list_holders()).items()
            ],
            "reserved": count_reserved(self.port_range),
            "source_error": error if error == find_source_error(plan) else None,
            "return_error": return_error if return_error == self.return_error else None,
            "listener_elsewhere": [] if targets(plan, listening_after) else elsewhere,
        }


def count_reserved(port_range: tuple[int, int]) -> int:
    """Return how many ports of a range ip_local_reserved_ports reserves."""
    low, high = port_range
    return sum(low <= port <= high for port in sysctl.parse_ports(sysctl.read(sysctl.RESERVED_PORTS) or ""))


def find_return_error(plan: Plan) -> str | None:
    """Return the errno of the server's kernel when it is asked for a route to the client; None if it has one.

    Only where the server sees the client's own address, and has no other client.
    """
    if plan.world.topology is Topology.LOOPBACK or plan.world.hides_clients or plan.sources > 1:
        return None
    return find_route_error(plan.source, plan.target_port)


def find_source_error(plan: Plan) -> str | None:
    """Return the errno of the kernel when it is asked for a source address towards the target; None if it has one."""
    return find_route_error(plan.target, plan.target_port)


def find_route_error(target: str, port: int) -> str | None:
    """Return the errno of the kernel when it is asked for a route and a source address towards a target, or None.

    connect() of a UDP socket chooses a source address as that of TCP does, and sends nothing. It needs a port as well;
    where that is all that it did not get (EAGAIN, inet_autobind()), nothing is known of the address.
    """
    domain = socket.AF_INET6 if ":" in target else socket.AF_INET
    with socket.socket(domain, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target, port))
        except OSError as error:
            return None if error.errno == errno.EAGAIN else errno.errorcode.get(error.errno or 0, str(error))
    return None


def report_listening(
    plan: Plan, before: list[listening.ListeningSocket], after: list[listening.ListeningSocket]
) -> list[ListeningReport]:
    """Return a report of every socket that listened before or after the storm, those on the target first."""
    drops = listening.drops_since(before, after)
    sockets = {entry.cookie: entry for entry in (*before, *after)}
    on_target = {entry.cookie for entry in (*targets(plan, before), *targets(plan, after))}
    owners = socket_owner.find_owners({entry.inode for entry in sockets.values()})
    somaxconn = int(sysctl.read(SOMAXCONN) or 0)
    return [
        ListeningReport(
            address=entry.address,
            port=entry.port,
            on_target=cookie in on_target,
            drops=drops[cookie],
            limit=entry.limit,
            waiting=entry.waiting,
            capped=entry.limit == somaxconn,
            owner=owners.get(entry.inode) or socket_owner.user_text(entry.uid),
        )
        for cookie, entry in sorted(sockets.items(), key=lambda item: (item[0] not in on_target, item[0]))
    ]


def targets(plan: Plan, sockets: list[listening.ListeningSocket]) -> list[listening.ListeningSocket]:
    """Return the sockets that the plan's SYNs reach: those bound to the target itself, or else those bound to any."""
    serving = [entry for entry in sockets if entry.serves(plan.target, plan.server_ports)]
    exact = {entry.port for entry in serving if not entry.is_bound_to_any}
    return [entry for entry in serving if not (entry.is_bound_to_any and entry.port in exact)]
