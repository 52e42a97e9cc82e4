# SPDX-License-Identifier: MIT
"""The environment of an act whose server is across a link: this host as it is, and the serving side by calls."""

import socket
import time
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from stress.lab import firewall, host
from stress.lab.kernel_word.word import KernelWord
from stress.lab.network import Network
from stress.model.errors import LabError, NotApplicableError, UsageError
from stress.model.mine import Isn, MineState
from stress.model.peer import ClockOffset, PeerReport
from stress.model.plan import Plan, Ports, Serve
from stress.model.progress import ProgressCallback
from stress.model.world import CLIENT, SERVER, Firewall
from stress.storm import four_tuples, minefield
from stress.storm.check import plan_rules
from stress.storm.environment import Environment
from stress.storm.host_settings import assign_cpus, raise_descriptor_limit
from stress.storm.kernel_hearing import KernelHearing
from stress.storm.mine_connections import can_repair
from stress.storm.observed_host import LocalHost, ObservedHost
from stress.storm.peer import calls
from stress.storm.peer.act_changes import ActChanges
from stress.storm.peer.clock import ClockPair
from stress.storm.peer.end_changes import Permission, uses_rules
from stress.storm.peer.far_client import FarParts
from stress.storm.peer.far_host import FarHost
from stress.storm.peer.far_listener import FarListener
from stress.storm.peer.joined_peer import LOST, JoinedPeer
from stress.storm.peer.peer_hearing import PeerHearing
from stress.storm.peer.time_needed import laying_rate
from stress.storm.ports import read_port_range, seeded_generators


class PeerEnvironment(Environment):
    """Client and server are machines of their own. Leaving the context ends the act and undoes what was changed."""

    def __init__(self, name: str, plan: Plan, peer: JoinedPeer, notify: ProgressCallback) -> None:
        """Make the environment of an act.

        Args:
            name: of the act.
            plan: of the act.
            peer: the serving host, which has agreed to it.
            notify: called with each stage as it begins.

        Raises:
            NotApplicableError, UsageError: the act cannot be had on one of the two hosts.
            LabError: the environment could not be made, or the serving host is lost.
        """
        self.plan = plan
        self.peer = peer
        self.notes: list[str] = []
        self.firewall = Firewall.NFT if uses_rules(plan) else Firewall.BPF
        self.network = Network(plan.world, plan.family)
        self.far = FarHost(peer.caller, plan)
        control = peer.control if all(peer.control) else None
        self.changes = ActChanges(plan, CLIENT, Permission(peer.may_change), control)
        with ExitStack() as stack:
            peer.caller.call(calls.BeginAct(name))
            stack.callback(self.end_act)
            stack.enter_context(self.changes)
            self.changes.begin()
            self.prepare_client(plan)
            self.hosts = self.observe(plan)
            self.make_server(notify)
            self.stack = stack.pop_all()

    def prepare_client(self, plan: Plan) -> None:
        """Verify that this host is as the act needs it."""
        self.nofile = raise_descriptor_limit()
        self.ports = read_port_range(plan.server_ports)
        plan_rules.refuse(
            plan_rules.missing_kernel_features(
                plan, has_local_port_range=host.has_local_port_range(), has_mptcp=host.has_mptcp()
            ),
            NotApplicableError,
        )
        plan_rules.refuse(plan_rules.host_faults(plan, self.ports, self.nofile))
        self.server_nofile = self.peer.consent.nofile
        self.worker_cpus, _ = assign_cpus(msgspec.structs.replace(plan, workers=1) if plan.clients else plan)
        self.require_own_source()
        if plan.mines and (plan.mine_state is not MineState.CLOSE_WAIT or plan.isn is Isn.RANDOM) and not can_repair():
            raise UsageError(
                f"The mines of {plan.scenario} need TCP_REPAIR on this host, which needs CAP_NET_ADMIN; run connstorm "
                "as root here."
            )

    def require_own_source(self) -> None:
        """Raise UsageError unless the kernel chooses the plan's source by itself, where the plan lets it choose."""
        plan = self.plan
        if plan.ports not in (Ports.KERNEL, Ports.RANGE):
            return
        domain = socket.AF_INET if plan.family == 4 else socket.AF_INET6
        # Without a route there is none: that is what an act may be about.
        with socket.socket(domain, socket.SOCK_DGRAM) as probe, suppress(OSError):
            probe.connect((plan.target, plan.target_port))
            chosen = probe.getsockname()[0]
            if chosen != plan.source:
                raise UsageError(
                    f"With --ports {plan.ports.value} the kernel chooses the source address too, and towards "
                    f"{plan.target} that is {chosen}; for --source {plan.source} use --ports no-port."
                )

    def make_server(self, notify: ProgressCallback) -> None:
        """Let the serving side listen, and lay the mines."""
        plan = self.plan
        self.clock_before = self.peer.measure_clock()
        self.clock_after: ClockOffset | None = None
        self.listener = FarListener(self.peer.caller, plan, self.far)
        self.load_rules(nat=True)
        if plan.mines:
            self.changes.withhold()
            minefield.lay_mines(
                plan,
                self.listener,
                self.draw_places(),
                self.server_nofile,
                notify,
                list_numbers=self.far.list_mine_numbers,
                rate_per_s=laying_rate(self.peer.consent.limits),
            )
        if plan.rest_s:
            notify(f"resting for {plan.rest_s:g} s")
            time.sleep(plan.rest_s)
        self.load_rules(nat=False)
        if plan.serve is Serve.ABSENT:
            self.listener.stop_listening()
        elif plan.backlog is not None:
            self.listener.shorten_queue(plan.backlog)
        self.now_before = self.far.read_now()

    def draw_places(self) -> npt.NDArray[Any]:
        """Draw the 4-tuples of the mines from those on whose ports this host has no old socket towards the server.

        Raises:
            UsageError: they are too few.
        """
        plan = self.plan
        taken = minefield.list_client_sockets(plan)["local_port"]
        places = four_tuples.all_four_tuples(plan, self.ports)
        places = places[~np.isin(four_tuples.split_numbers(places)[1], taken)]
        if len(places) < plan.mines:
            raise UsageError(
                f"{plan.mines:,} mines need as many free ports, and {len(places):,} are: old connections to "
                f"{plan.target} have the others; wait for 60 s, lower --mines, or widen --port-range."
            )
        generator, _ = seeded_generators(plan.seed)
        return generator.choice(places, plan.mines, replace=False)

    def load_rules(self, *, nat: bool) -> None:
        """Load the rules of both hosts that must see how mines are laid, or the others; the server's first."""
        self.peer.caller.call(calls.LoadRules(nat))
        self.changes.load_rules(nat=nat)

    def dropped(self) -> dict[str, int]:
        """Return how many packets each rule of either host has matched so far."""
        return self.changes.count() | self.far.count_dropped()

    def end_act(self) -> None:
        """End the act on the serving side, which has done so itself where the channel is lost."""
        with suppress(*LOST):
            self.peer.caller.call(calls.EndAct())

    def go_on(self, name: str) -> None:
        """Begin the next act, which reuses what is there."""
        self.peer.caller.call(calls.BeginAct(name))

    def observe(self, plan: Plan) -> dict[str, ObservedHost]:
        """Return the hosts by name, the client first, as they are asked in an act with some plan."""
        self.far.begin(plan)
        further = {
            f"{CLIENT}{number}": FarHost(client.caller, plan)
            for number, client in enumerate(self.peer.clients, start=2)
        }
        return {CLIENT: LocalHost(self.network, CLIENT, plan), **further, SERVER: self.far}

    def begin_parts(
        self, name: str, plan: Plan, attempts: int, first_address: int
    ) -> AbstractContextManager[FarParts | None]:
        """Let further clients prepare their parts, as of ``Environment``."""
        if not self.peer.clients:
            return nullcontext()
        return FarParts(self.peer.clients, name, plan, attempts, first_address)

    def begin_hearing(self, word: KernelWord | None, plan: Plan, first_address: int) -> PeerHearing | None:
        """Begin to listen to both kernels; None where one of them cannot be heard."""
        if word is None:
            return None
        if refusal := self.far.begin_hearing():
            self.notes.append(f"On {self.peer.name} the kernel's own word cannot be had: {refusal}")
            return None
        return PeerHearing(KernelHearing(word, plan, first_address, self.network), self.far, first_address)

    def check_start(self) -> None:
        """Raise LabError unless the serving host agrees still."""
        self.peer.caller.call(calls.Ping())

    def end_storm(self) -> None:
        """Compare the clocks once more, so that times of the serving host can be converted.

        Raises:
            LabError: what was changed on this host for the storm was undone too early, or the serving host is lost.
        """
        self.changes.check()
        try:
            self.clock_after = self.peer.measure_clock()
            self.far.clocks = ClockPair(self.clock_before, self.clock_after)
        except LOST:
            raise
        except LabError as error:
            self.notes.append(f"Times of {self.peer.name} are left out. {error}")

    def describe_peer(self, lost: str | None = None) -> PeerReport:
        """Return what is known of the serving host after the storm; ``lost`` is why the channel was lost."""
        peer, now = self.peer, self.now_before
        if lost is None:
            now = self.far.read_now()
        return PeerReport(
            name=peer.name,
            transport=peer.transport,
            program=peer.program,
            host=peer.consent.host,
            limits=peer.consent.limits,
            clock=self.clock_before,
            clock_after=None if lost else self.clock_after,
            sysctls=now.sysctls,
            stolen_ms=now.stolen_ms - self.now_before.stolen_ms,
            changed=now.changed,
            changed_here=self.changes.changed,
            lost=lost,
        )

    def take_warnings(self) -> list[str]:
        """Return what a reader of the act has to know, once."""
        taken, self.notes = self.notes, []
        return taken

    @property
    def firewall_text(self) -> str:
        """The firewalls of both hosts, in words."""
        own = self.changes.rules_text or firewall.describe_firewall(self.plan.drop, self.firewall)
        return f"{own}; client: {firewall.describe_host_rules()}; server: {self.now_before.firewall}"
