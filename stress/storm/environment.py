# SPDX-License-Identifier: MIT
"""The environment of a storm: settings, a server, a minefield, a firewall."""

import os
import resource
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from stress.lab import conntrack, firewall, host, rule_set, sysctl
from stress.lab.listener import Listener
from stress.lab.network import Network
from stress.model.errors import NotApplicableError, UsageError
from stress.model.plan import Plan, Serve
from stress.model.progress import ProgressCallback
from stress.model.record import ExternalServer
from stress.model.world import CLIENT, ROUTER, SERVER, Drop, FilterRule, Firewall, World
from stress.storm import four_tuples, minefield
from stress.storm.check import plan_rules
from stress.storm.fillers import fill_syn_queue
from stress.storm.observed_host import LocalHost, ObservedHost
from stress.storm.ports import read_port_range, seeded_generators

LONGEST_QUEUE = "65535"  # so that a storm measures the accept queue only where its plan asks for that


class Environment:
    """Everything around the client, made as a plan says, in the network namespace of this process.

    Leaving the context ends the server and with it the mines. Settings and rules stay until the namespace ends.
    """

    def __init__(self, plan: Plan, notify: ProgressCallback) -> None:
        """Make the environment.

        Raises:
            NotApplicableError: this kernel has not what the plan needs; nothing was started.
            UsageError: the plan cannot be carried out here; nothing was started.
            LabError: the environment could not be made.
        """
        self.plan = plan
        self.firewall = firewall.choose_firewall(plan.firewall)
        with ExitStack() as stack:
            self.network = stack.enter_context(Network(plan.world, plan.family))
            self.hosts = self.observe(plan)
            self.make(notify, stack)
            self.stack = stack.pop_all()

    def make(self, notify: ProgressCallback, stack: ExitStack) -> None:
        """Make everything but the network; errors are as of the class."""
        plan = self.plan
        if any(conntrack.MAX_CONNECTIONS in settings for settings in plan.world.sysctls.values()):
            conntrack.load_module()
        for name in self.network.hosts:
            with self.network.inside(name):
                prepare_sysctls(plan, plan.world.sysctls.get(name, {}))
        self.nofile = raise_descriptor_limit()
        self.ports = read_port_range(plan.server_ports)
        has_nft = firewall.has_nft()
        plan_rules.refuse(
            plan_rules.missing_kernel_features(
                plan,
                has_local_port_range=host.has_local_port_range(),
                has_nft=has_nft,
                has_mptcp=host.has_mptcp(),
            ),
            NotApplicableError,
        )
        plan_rules.refuse(plan_rules.host_faults(plan, self.ports, self.nofile, has_nft=has_nft))
        self.worker_cpus, listener_cpu = assign_cpus(plan)
        mine_generator, _ = seeded_generators(plan.seed)
        if plan.drop is Drop.INVALID:  # conntrack must see the connections that become mines
            firewall.load_rules(plan.drop, plan.server_ports)
        self.listener = stack.enter_context(
            Listener(
                plan.target,
                plan.target_port,
                ports=plan.target_ports,
                per_port=plan.listeners,
                stuck=plan.stuck,
                keepalive_s=plan.keepalive_s,
                drop_rst=plan.drop is Drop.RST and self.firewall is Firewall.BPF,
                cpu=listener_cpu,
                inside=lambda: self.network.inside(SERVER),
            )
        )
        self.load_world_rules(nat=True)  # what mines are, depends on the addresses that the server sees
        if plan.mines:
            places = mine_generator.choice(four_tuples.all_four_tuples(plan, self.ports), plan.mines, replace=False)
            with self.network.inside(plan.mines_from):
                list_numbers = self.server.list_mine_numbers
                minefield.lay_mines(plan, self.listener, places, self.nofile, notify, list_numbers=list_numbers)
            if plan.mines_from != CLIENT:  # as long as the router knows them, it gives their ports to nobody else
                with self.network.inside(ROUTER):
                    conntrack.forget_connections()
        if plan.rest_s:
            notify(f"resting for {plan.rest_s:g} s")
            time.sleep(plan.rest_s)
        if plan.drop in (Drop.RST, Drop.CHALLENGE) and self.firewall is Firewall.NFT:
            firewall.load_rules(plan.drop, plan.server_ports)
        self.load_world_rules(nat=False)
        self.network.add_queues()
        if plan.serve is Serve.ABSENT:
            self.listener.stop_listening()
        elif plan.backlog is not None:
            self.listener.shorten_queue(plan.backlog)

    def load_world_rules(self, *, nat: bool) -> None:
        """Add those rules of the world that translate addresses, or the others, to the firewalls of its hosts."""
        world = self.plan.world
        for name, rules in rules_by_host(world).items():
            chosen = [rule for rule in rules if rule.nat is nat]
            if chosen:
                with self.network.inside(name):
                    rule_set.load_rule_set(chosen, world.sets, rule_set.placeholders(self.plan))

    def observe(self, plan: Plan) -> dict[str, ObservedHost]:
        """Return the hosts by name, the client first, as they are asked in an act with some plan."""
        return {name: LocalHost(self.network, name, plan) for name in self.network.hosts}

    @property
    def server(self) -> ObservedHost:
        """The server's host."""
        return self.hosts[self.plan.world.host(SERVER)]

    def serve(self, attempts: int) -> None:
        """Start the server for a storm: one process, or as many as may hold what is leaked."""
        if self.plan.serve is Serve.CLOSE:
            for _ in range(self.plan.servers):
                self.listener.start(answer=self.plan.use, nofile=self.plan.server_nofile)
        elif self.plan.serve is Serve.LEAK:
            room = self.nofile - plan_rules.DESCRIPTORS_RESERVED
            parts = minefield.split_among_processes(attempts, room) if self.plan.server_nofile is None else []
            for part in parts[:-1]:
                self.listener.start(leak=part, then="leave")
            self.listener.start(leak=-1, nofile=self.plan.server_nofile)
        if self.plan.fillers:  # last: the server gives them up after some seconds
            fill_syn_queue(self.plan, self.network, self.server)

    def check_start(self) -> None:
        """Raise UsageError if the storm may not begin: what connstorm makes itself is as it was made."""

    def describe_server(self) -> ExternalServer | None:
        """Return what is known of a server that others have started; None for connstorm's own."""
        return None

    def dropped(self) -> dict[str, int]:
        """Return how many packets each rule has matched so far, and each queue has dropped."""
        counts: dict[str, int] = {}
        for observed in self.hosts.values():
            counts |= observed.count_dropped()
        return counts

    @property
    def firewall_text(self) -> str:
        """The firewall between client and server, in words."""
        world = self.plan.world
        own = "; ".join(f"{world.host(rule.on)} {rule.hook}: {rule.match} {rule.action}" for rule in world.rules)
        own = own or firewall.describe_firewall(self.plan.drop, self.firewall)
        return f"{own}; {firewall.describe_host_rules()}" if self.plan.host else own

    @property
    def socket_filter(self) -> bytes:
        """The BPF filter of each of the client's sockets; empty for none."""
        filtered = self.plan.drop is Drop.CHALLENGE and self.firewall is Firewall.BPF
        return firewall.DROP_CHALLENGE if filtered else b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.close()


def rules_by_host(world: World) -> dict[str, list[FilterRule]]:
    """Return the rules of each host that has any, in their order."""
    hosts: dict[str, list[FilterRule]] = {}
    for rule in world.rules:
        hosts.setdefault(world.host(rule.on), []).append(rule)
    return hosts


def prepare_sysctls(plan: Plan, more: dict[str, str]) -> None:
    """Write the plan's settings inside the private namespace; on the host, verify that they have these values.

    Args:
        plan: of the act.
        more: settings of this host of the world alone.

    Raises:
        UsageError: the kernel refuses a value, or the host has another.
        LabError: a setting may not be written here.
    """
    if plan.host:
        verify_sysctls(plan.sysctls)
        return
    if "net.core.somaxconn" not in plan.sysctls:
        sysctl.write("net.core.somaxconn", LONGEST_QUEUE)
    if plan.port_range is not None:
        sysctl.write("net.ipv4.ip_local_port_range", "{} {}".format(*plan.port_range))
    for name, value in sysctl.drop_implied(plan.sysctls | more).items():
        sysctl.write(name, value)


def verify_sysctls(wanted: dict[str, str]) -> None:
    """Raise UsageError for settings that have other than the wanted values."""
    values = {name: sysctl.read_existing(name) for name in sysctl.drop_implied(wanted)}
    others = [
        f"{name} is {value or 'empty'} here, not {wanted[name]}"
        for name, value in values.items()
        if not sysctl.is_same_value(name, value, wanted[name])
    ]
    if others:
        them = "it" if len(others) == 1 else "them"
        raise UsageError(
            f"With --host no setting is changed: {', and '.join(others)}; set {them} yourself (sysctl -w), or let a "
            "suite do it (connstorm suite --host)."
        )


def raise_descriptor_limit() -> int:
    """Raise RLIMIT_NOFILE to its hard value and return that."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def assign_cpus(plan: Plan) -> tuple[list[int | None], int | None]:
    """Return the CPUs of the workers and of the listener: different ones, where there are as many."""
    available = sorted(os.sched_getaffinity(0))
    if not plan.pin or len(available) < max(plan.workers, 2):
        return [None] * plan.workers, None
    rest = available[plan.workers :]
    return [*available[: plan.workers]], rest[0] if rest else None
