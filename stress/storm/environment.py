# SPDX-License-Identifier: MIT
"""The environment of a storm: settings, a server, a minefield, a firewall."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Self

from stress.lab import conntrack, firewall, host, rule_set
from stress.lab.kernel_word.word import KernelWord
from stress.lab.listener import Listener
from stress.lab.network import Network
from stress.lab.paired_listener import PairedListener
from stress.model.errors import NotApplicableError
from stress.model.peer import PeerReport
from stress.model.plan import Plan, Serve
from stress.model.progress import ProgressCallback
from stress.model.record import ExternalServer
from stress.model.world import CLIENT, ROUTER, SERVER, Drop, FilterRule, Firewall, World
from stress.storm import four_tuples, minefield
from stress.storm.bystanders import bystanders_laid
from stress.storm.check import plan_rules
from stress.storm.fillers import fill_syn_queue
from stress.storm.host_load import describe_load
from stress.storm.host_room import refuse_excess
from stress.storm.host_settings import assign_cpus, prepare_sysctls, raise_descriptor_limit
from stress.storm.kernel_hearing import Hearing, KernelHearing
from stress.storm.observed_host import LocalHost, ObservedHost
from stress.storm.ports import read_port_range, seeded_generators

if TYPE_CHECKING:
    from stress.storm.peer.far_client import FarParts


class Environment:
    """Everything around the client, made as a plan says, in the network namespace of this process.

    Leaving the context ends the server and with it the mines. Settings and rules stay until the namespace ends.
    """

    listener_cpus: Sequence[int] = ()  # to which servers are pinned here: one, a CPU for each worker's, or none

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
        self.nofile = self.server_nofile = raise_descriptor_limit()
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
        refuse_excess(plan, self.ports, self.nofile)
        if plan.host:
            notify(describe_load(plan, self.ports))
        self.worker_cpus, self.listener_cpus = assign_cpus(plan)
        mine_generator, _ = seeded_generators(plan.seed)
        if plan.drop is Drop.INVALID:  # conntrack must see the connections that become mines
            firewall.load_rules(plan.drop, plan.server_ports)
        self.listener = stack.enter_context(self.make_listener())
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
        stack.enter_context(bystanders_laid(plan, notify))
        self.load_world_rules(nat=False)
        self.network.add_queues()
        if plan.serve is Serve.ABSENT:
            self.listener.stop_listening()
        elif plan.backlog is not None:
            self.listener.shorten_queue(plan.backlog)

    def make_listener(self) -> Listener:
        """Return the server, which listens: one for all workers, or a process and a socket for each of them."""
        plan = self.plan
        place = plan.target, plan.target_port
        keepalive_s, drop_rst = plan.keepalive_s, plan.drop is Drop.RST and self.firewall is Firewall.BPF

        def inside() -> AbstractContextManager[None]:
            return self.network.inside(SERVER)

        if len(self.listener_cpus) > 1:
            both = zip(self.worker_cpus, self.listener_cpus, strict=True)
            pairs = [(client, server) for client, server in both if client is not None]  # all are pinned
            return PairedListener(*place, pairs, keepalive_s=keepalive_s, drop_rst=drop_rst, inside=inside)
        return Listener(
            *place,
            ports=plan.target_ports,
            per_port=plan.listeners,
            stuck=plan.stuck,
            keepalive_s=keepalive_s,
            drop_rst=drop_rst,
            cpu=self.listener_cpus[0] if self.listener_cpus else None,
            inside=inside,
        )

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
            room = self.server_nofile - plan_rules.DESCRIPTORS_RESERVED
            parts = minefield.split_among_processes(attempts, room) if self.plan.server_nofile is None else []
            for part in parts[:-1]:
                self.listener.start(leak=part, then="leave")
            self.listener.start(leak=-1, nofile=self.plan.server_nofile)
        if self.plan.fillers:  # last: the server gives them up after some seconds
            fill_syn_queue(self.plan, self.network, self.server)

    def go_on(self, name: str) -> None:
        """Begin an act, by its name, that reuses what is there; nothing has to be done on one machine."""

    def begin_hearing(self, word: KernelWord | None, plan: Plan, first_address: int) -> Hearing | None:
        """Begin to listen to the kernel, where it was asked and 4-tuples are the same on every host."""
        if word is None or plan.world.translates:
            return None
        return KernelHearing(word, plan, first_address, self.network)

    def begin_parts(
        self, name: str, plan: Plan, attempts: int, first_address: int
    ) -> "AbstractContextManager[FarParts | None]":
        """Let further clients on hosts of their own prepare their parts of an act; None: there are none.

        Args:
            name: of the act.
            plan: of the act.
            attempts: of the whole storm.
            first_address: number of the act's first pair of addresses.
        """
        del name, plan, attempts, first_address
        return nullcontext()

    def check_start(self) -> None:
        """Raise UsageError if the storm may not begin: what connstorm makes itself is as it was made."""

    def end_storm(self) -> None:
        """Do what has to be done between a storm and the look after it; nothing on one machine."""

    def describe_peer(self, lost: str | None = None) -> PeerReport | None:
        """Return what is known of a serving host across a link, or None; ``lost`` is why the channel was lost."""
        assert lost is None
        return None

    def take_warnings(self) -> list[str]:
        """Return what a reader of the act has to know of the environment, once."""
        return []

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
        return f"{self.rules_text}; {firewall.describe_host_rules()}" if self.plan.host else self.rules_text

    @property
    def rules_text(self) -> str:
        """The plan's own rules and filters, in words."""
        world = self.plan.world
        own = "; ".join(f"{world.host(rule.on)} {rule.hook}: {rule.text}" for rule in world.rules)
        return own or firewall.describe_firewall(self.plan.drop, self.firewall)

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
