# SPDX-License-Identifier: MIT
"""The part of a further client: what its host does for the one that leads the storm."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from ipaddress import ip_address
from typing import Any

import msgspec
import numpy as np

from stress._fastconnect import now_ns
from stress.lab import host, local_addresses, reachability, sysctl
from stress.lab.local_route import find_source
from stress.lab.network import Network
from stress.model.attempt import USE
from stress.model.errors import LabError, NotApplicableError, UsageError
from stress.model.plan import Plan
from stress.model.run import PORTS
from stress.model.units import SECOND_NS
from stress.model.world import CLIENT
from stress.storm.buffer import Buffer
from stress.storm.check import plan_rules
from stress.storm.host_settings import assign_cpus, raise_descriptor_limit, verify_sysctls
from stress.storm.observed_host import LocalHost
from stress.storm.peer import calls
from stress.storm.peer.calls import Call
from stress.storm.peer.client_calls import (
    AskClient,
    BeginPart,
    ClientConsent,
    EndPart,
    FindSource,
    MeetServer,
    PartResult,
    StormPart,
)
from stress.storm.peer.end_settings import settings_of
from stress.storm.peer.meeting import ANSWER_LIMIT_S, WORD_MAX
from stress.storm.peer.serving_act import WithArrays
from stress.storm.ports import PortRange, read_port_range
from stress.storm.worker import WorkerSpec
from stress.storm.workers import Workers

BEGIN_LIMIT_NS = 10 * SECOND_NS  # so far ahead a storm may begin


class ClientPart:
    """What this host has agreed to do as a further client of one storm."""

    def __init__(
        self, ask: AskClient, limits_rate_per_s: float, uninterrupted: Callable[[], AbstractContextManager[None]]
    ) -> None:
        """Agree; ``uninterrupted`` returns a context in which no signal raises an exception.

        Raises:
            UsageError: the plan is none for this host.
        """
        plan_rules.refuse(plan_rules.plan_faults(ask.plan))
        plan_rules.refuse(client_faults(ask.plan, ask.number))
        rates = (fault for act in ask.plan.storms().values() for fault in rate_faults(act, limits_rate_per_s))
        plan_rules.refuse(iter(dict.fromkeys(rates)))
        self.uninterrupted = uninterrupted
        self.plan, self.number = ask.plan, ask.number
        self.source = ask.plan.clients[ask.number - 1]
        self.acts = ask.plan.storms()
        self.has_met = self.has_stormed = False
        self.stack = ExitStack()
        self.workers: Workers | None = None

    def handlers(self) -> dict[type[Call], Callable[[Any], Any]]:
        """Return what carries out each call that may come now."""
        handlers: dict[type[Call], Callable[[Any], Any]] = {MeetServer: self.meet_server}
        if self.has_met:
            handlers |= {BeginPart: self.begin}
        if self.workers is not None:
            observed = self.host
            handlers |= {
                StormPart: self.storm,
                EndPart: lambda _: self.end(),
                calls.ReadCounters: lambda _: observed.read_counters(),
                calls.TakeCensus: lambda _: observed.take_census(),
                calls.ReadHost: lambda _: observed.read_now(),
                calls.CountRules: lambda _: {},
            }
        return handlers

    def meet_server(self, call: MeetServer) -> tuple[str, int]:
        """Connect to the target once, and expect the word there; return this end.

        Raises:
            LabError: the target did not answer, or with something else.
        """
        if not 0 < len(call.word) <= WORD_MAX:
            raise UsageError(f"The word of a meeting has from 1 to {WORD_MAX} characters.")
        act = next(iter(self.acts.values()))
        target = (act.target, act.target_port)
        said = b""
        with reachability.bind_client(self.source) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reachability.RESET)
            client.settimeout(ANSWER_LIMIT_S)
            own, port, *_ = client.getsockname()
            with suppress(OSError):
                client.connect(target)
                while len(said) < len(call.word) and (more := client.recv(WORD_MAX)):
                    said += more
        if said != call.word.encode():
            raise LabError(
                f"What answers {act.target} port {act.target_port} is not the serving host that agreed; nothing more "
                "was sent to it. See the routes and firewalls between (ip route get, nft list ruleset)."
            )
        self.has_met = True
        return own, port

    def begin(self, call: BeginPart) -> None:
        """Prepare the part of an act: draw its 4-tuples, and start the process that will storm."""
        act = self.acts.get(call.name)
        if act is None or not 0 < call.attempts <= plan_rules.ATTEMPTS_MAX or call.first_address < 0:
            raise UsageError(f"The plan has no such act as {call.name!r}.")
        if call.first_address + act.addresses > np.iinfo(np.uint16).max:
            raise UsageError("An act of this plan has more addresses than can be numbered.")
        self.end()
        verify_sysctls(settings_of(act, CLIENT), "On the host of a further client")
        nofile, ports = raise_descriptor_limit(), read_port_range(act.server_ports)
        plan_rules.refuse(
            plan_rules.missing_kernel_features(
                act, has_local_port_range=host.has_local_port_range(), has_mptcp=host.has_mptcp()
            ),
            NotApplicableError,
        )
        plan_rules.refuse(plan_rules.host_faults(act, ports, nofile))
        (cpu, *_), _ = assign_cpus(msgspec.structs.replace(act, workers=1))
        spec = WorkerSpec(act, self.number, call.attempts, call.first_address, nofile, cpu, b"")
        self.host = LocalHost(Network(act.world, act.family), CLIENT, msgspec.structs.replace(act, source=self.source))
        self.stack.callback(self.host.close)
        attempts = spec.own_attempts(ports)
        self.buffer = Buffer(max(attempts, 1), None)
        self.stack.callback(self.buffer.close)
        self.uses = Buffer(max(attempts, 1), None, USE) if act.use else None
        if self.uses is not None:
            self.stack.callback(self.uses.close)
        # A SYN may be sent again at once on any port of a host that others use too.
        watched = np.ones(PORTS, np.uint8)
        with self.uninterrupted():
            self.workers = Workers([spec], [attempts], self.buffer, watched, uses=self.uses)
        self.has_stormed = False

    def storm(self, call: StormPart) -> WithArrays:
        """Storm, and return what was recorded."""
        if not 0 <= call.begin_ns - now_ns() <= BEGIN_LIMIT_NS or call.epoch_ns > call.begin_ns:
            raise UsageError(
                "The storm is to begin in the past, or in more than 10 s; the clocks were compared wrongly."
            )
        if self.workers is None or self.has_stormed:
            raise UsageError("This part of the act has had its storm.")
        self.has_stormed = True
        (result,) = self.workers.storm(call.epoch_ns, call.begin_ns)
        arrays = {"attempts": self.buffer.records[: result.recorded]}
        if self.uses is not None:
            arrays["uses"] = self.uses.records[: result.recorded]
        part = PartResult(result.recorded, result.interrupted, result.stalls, result.stalls_missed)
        return WithArrays(part, arrays)

    def stop(self) -> None:
        """Let the storm end now, if there is one; for a thread that is not the one that waits for it."""
        if self.workers is not None:
            for process in self.workers.processes:
                process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """End the part of an act, at once, and its sockets."""
        workers, self.workers = self.workers, None
        if workers is not None:
            workers.kill()
        self.stack.close()


def client_faults(plan: Plan, number: int) -> Iterator[str]:
    """Yield why this host is not the client of a number in a plan."""
    if not plan.world.is_across_link or not 1 <= number <= len(plan.clients):
        yield f"The plan of {plan.scenario} has no client {number} across a link."
        return
    own = local_addresses.list_addresses()
    source, target = (str(ip_address(address)) for address in (plan.clients[number - 1], plan.target))
    if source not in own:
        yield f"{source} is no address of this client."
    if target in own:
        yield f"{target}, which is to be stormed, is this client's own; name each host by one --peer alone."


def rate_faults(act: Plan, rate_per_s: float) -> Iterator[str]:
    """Yield why this host's part of an act has more connections a second than it permits."""
    if act.rate_per_s is None and act.attempts is not None and act.attempts <= rate_per_s * act.workers:
        return  # fewer than in a second
    if act.rate_per_s is None or act.rate_per_s > rate_per_s * act.workers:
        yield (
            f"This client permits {rate_per_s:,g} connections a second of its own; give a --rate of "
            f"{rate_per_s * act.workers:,g} at most, which all {act.workers} clients share."
        )


def consent_of(plan: Plan, limits: Any) -> ClientConsent:
    """Return what this host tells the one that leads the storm."""
    ports: PortRange = read_port_range(plan.server_ports)
    return ClientConsent(
        limits=limits,
        host=host.read_host(),
        port_range=(ports.low, ports.high),
        ports=len(ports),
        sysctls=sysctl.read_recorded(plan.sysctls),
    )


def source_towards(call: FindSource) -> str:
    """Return from which address packets to another one leave."""
    try:
        target = str(ip_address(call.target))
    except ValueError as error:
        raise UsageError(f"{call.target!r} is not an IP address.") from error
    return find_source(target, min(max(call.port, 1), PORTS - 1))
