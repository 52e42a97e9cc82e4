# SPDX-License-Identifier: MIT
"""The further clients of a storm across a link: found out from where each storms, and asked to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stress.lab import host, sysctl
from stress.model.errors import UsageError
from stress.model.peer import ClockOffset
from stress.model.plan import Plan
from stress.run.peer.plan import with_clients
from stress.storm.peer.caller import Caller
from stress.storm.peer.calls import Call
from stress.storm.peer.client_calls import AskClient, FindSource
from stress.storm.peer.far_client import refuse_unlike
from stress.storm.peer.joined_peer import FarClient
from stress.storm.ports import read_port_range


@dataclass(frozen=True)
class ReachedClient:
    """A host that has been reached, and may become a client.

    Attributes:
        name: as the user wrote it.
        caller: makes calls to it.
        program: with its version.
        measure_clock: measures how far its clock is ahead.
    """

    name: str
    caller: Caller
    program: str
    measure_clock: Callable[[], ClockOffset]

    def ask(self, call: Call) -> Any:
        """Return the answer to a call; what is refused names the host.

        Raises:
            UsageError: it is refused.
            LabError: the host is lost, or cannot do it.
        """
        try:
            return self.caller.call(call)
        except UsageError as error:
            raise type(error)(f"{self.name}: {error}") from error


def add_clients(plan: Plan, reached: Sequence[ReachedClient]) -> Plan:
    """Return a plan whose addresses are settled, with those of further clients; attempts and rate are those of all.

    Raises:
        UsageError: one of them has no way to the target.
    """
    sources = [str(client.ask(FindSource(plan.target, plan.target_port))) for client in reached]
    return with_clients(plan, sources)


def ask_clients(plan: Plan, reached: Sequence[ReachedClient]) -> list[FarClient]:
    """Return the further clients of a plan, all of which agree to it.

    Args:
        plan: to which the serving host has agreed.
        reached: in the order of the plan's.

    Raises:
        UsageError: one of them does not, or is unlike this host.
    """
    clients = []
    for number, client in enumerate(reached, start=1):
        consent = client.ask(AskClient(plan, number))
        address = plan.clients[number - 1]
        clients.append(FarClient(client.name, address, client.caller, client.program, consent, client.measure_clock))
    ports = read_port_range(plan.server_ports)
    here = host.read_host()
    own = ((ports.low, ports.high), len(ports))
    refuse_unlike(clients, here.kernel, here.jiffy_ns, own, sysctl.read_recorded(plan.sysctls))
    return clients
