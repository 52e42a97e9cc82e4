# SPDX-License-Identifier: MIT
"""A storm against an external server, one that the user has started, in the network namespace where it listens."""

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext

import msgspec

from stress.lab import census, firewall, host, listening, socket_owner
from stress.lab.listener import Listener
from stress.lab.network import Network
from stress.model.errors import NotApplicableError
from stress.model.plan import EvidenceSource, Plan, Serve
from stress.model.record import ExternalServer
from stress.model.world import Drop
from stress.storm.check import plan_rules
from stress.storm.environment import Environment
from stress.storm.external_target import require_local
from stress.storm.host_room import refuse_excess
from stress.storm.host_settings import assign_cpus, raise_descriptor_limit, verify_sysctls
from stress.storm.ports import read_port_range
from stress.storm.server_look import targets

NOT_ACCEPTED = "nobody yet: it waits to be accepted"  # a socket without an inode


class ExternalListener(Listener):
    """A server of which only the ports are known: its processes are the user's, and it reports nothing."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.ports = plan.server_ports
        self.processes = []
        self.served = []
        self.stuck = []
        self.inside = nullcontext

    def queue_length(self, _: object = None) -> int:
        """Return how many connections wait to be accepted."""
        return sum(entry.waiting for entry in self.listening())

    def listening(self) -> list[listening.ListeningSocket]:
        """Return the sockets that a SYN of the storm may reach."""
        return targets(self.plan, listening.list_listening())

    def close(self) -> None:
        """Do nothing: the user ends the server."""


class ExternalEnvironment(Environment):
    """The environment of an external server: nothing in it is set, and nothing is ended."""

    listener: ExternalListener

    def __init__(self, plan: Plan) -> None:
        """Read what the storm needs to know of the environment.

        Raises:
            UsageError: the plan cannot be carried out here.
        """
        self.plan = plan
        self.stack = ExitStack()
        self.network = Network(plan.world, plan.family)  # the one that is there
        self.hosts = self.observe(plan)
        self.firewall = firewall.choose_firewall(plan.firewall)
        verify_sysctls(plan.sysctls)
        self.nofile = self.server_nofile = raise_descriptor_limit()
        self.ports = read_port_range(plan.server_ports)
        plan_rules.refuse(
            plan_rules.missing_kernel_features(
                plan, has_local_port_range=host.has_local_port_range(), has_mptcp=host.has_mptcp()
            ),
            NotApplicableError,
        )
        plan_rules.refuse(plan_rules.host_faults(plan, self.ports, self.nofile))
        refuse_excess(plan, self.ports, self.nofile)
        self.worker_cpus, _ = assign_cpus(plan)
        self.listener = ExternalListener(plan)
        self.cookies_before = {entry.cookie for entry in self.listener.listening()}
        self.close_wait_before = {} if plan.evidence is EvidenceSource.NONE else count_close_wait(plan)

    def serve(self, attempts: int) -> None:
        """Do nothing: the server is there."""

    def check_start(self) -> None:
        """Raise UsageError unless the target is local still."""
        require_local(self.plan)

    def describe_server(self) -> ExternalServer | None:
        """Return what is known of the server after the storm; None without evidence."""
        if self.plan.evidence is EvidenceSource.NONE:
            return None
        sockets = self.listener.listening()
        return ExternalServer(
            stayed={entry.cookie for entry in sockets} == self.cookies_before,
            holders=socket_owner.describe_holders({entry.inode for entry in sockets}),
            close_wait=self.close_wait_before,
            close_wait_after=count_close_wait(self.plan),
        )


def count_close_wait(plan: Plan) -> dict[str, int]:
    """Return how many sockets of a server are in CLOSE-WAIT now, by who holds them, the most first.

    Of both families, and on all addresses that the sockets serve which the storm reaches: those of the server's other
    clients too, but not those of another server on the same port of another address.
    """
    entries = listening.list_listening()
    cookies = {entry.cookie for entry in targets(plan, entries)}

    def is_served(domain: int, address: bytes) -> bool:
        text = socket.inet_ntop(domain, address[: 4 if domain == socket.AF_INET else 16])
        there = targets(msgspec.structs.replace(plan, target=text), entries)
        return any(entry.cookie in cookies for entry in there)

    holders: list[tuple[int, int]] = []
    for family, domain in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        sockets = census.list_server_sockets(family, plan.server_ports)
        sockets = sockets[sockets["state"] == census.NUMBERS["CLOSE-WAIT"]]
        served = {address: is_served(domain, address) for address in set(sockets["local_address"].tolist())}
        rows = zip(*(sockets[name].tolist() for name in ("local_address", "inode", "uid")), strict=True)
        holders += [(inode, uid) for address, inode, uid in rows if served[address]]
    owners = socket_owner.find_owners({inode for inode, _ in holders})
    names = [(owners.get(inode) or socket_owner.user_text(uid)) if inode else NOT_ACCEPTED for inode, uid in holders]
    return dict(Counter(names).most_common())


def external_faults(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with a plan, and what of it needs a server and a namespace of connstorm's own."""
    yield from plan_rules.plan_faults(plan)
    excluded = {
        "mines": plan.mines,
        "acts": plan.acts,
        "a firewall": plan.drop is not Drop.NOTHING,
        "a server that leaks or stalls": plan.serve is not Serve.CLOSE,
        "a network of its own": not plan.host,
        "a byte for each connection": plan.use,
    }
    for what, wanted in excluded.items():
        if wanted:
            yield f"A storm against the server of others cannot have {what}."
    if plan.attempts is None or plan.duration_s is None or plan.deadline_s is None:
        yield "A storm against the server of others is bounded: give attempts, duration_s and deadline_s."
