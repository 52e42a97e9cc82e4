# SPDX-License-Identifier: MIT
"""A storm against an external server, one that the user has started, in the network namespace where it listens."""

import secrets
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime

import stress
from stress._fastconnect import now_ns
from stress.lab import census, firewall, host
from stress.lab.kernel_word.asked import AskedKernel
from stress.lab.listener import Listener
from stress.lab.network import Network
from stress.model.errors import NotApplicableError, UsageError
from stress.model.plan import EXTERNAL_SCENARIO, Plan, Serve
from stress.model.record import Record
from stress.model.run import Run
from stress.model.world import Drop
from stress.storm.check import plan_rules
from stress.storm.client import Client
from stress.storm.environment import Environment, assign_cpus, raise_descriptor_limit, verify_sysctls
from stress.storm.ports import read_port_range

FAMILIES = (4, 6)  # an IPv6 socket may serve IPv4 too


class ExternalListener(Listener):
    """A server of which only the ports are known: its processes are the user's, and it reports nothing."""

    def __init__(self, plan: Plan) -> None:
        self.family = plan.family
        self.ports = plan.server_ports
        self.processes = []
        self.served = []
        self.stuck = []
        self.inside = nullcontext

    def queue_length(self, _: Sequence[socket.socket] | None = None) -> int:
        """Return how many connections wait to be accepted."""
        return sum(queue.receive_queue for queue in self.listening())

    def listening(self) -> list[census.Socket]:
        """Return the sockets that listen on its ports."""
        listening = (queue for family in FAMILIES for queue in census.iterate_sockets(family, ["LISTEN"]))
        return [queue for queue in listening if queue.local_port in self.ports]

    def close(self) -> None:
        """Do nothing: the user ends the server."""


class ExternalEnvironment(Environment):
    """The environment of an external server: nothing in it is set, and nothing is ended."""

    def __init__(self, plan: Plan) -> None:
        """Read what the storm needs to know of the environment.

        Raises:
            UsageError: the plan cannot be carried out here, or nobody listens there.
        """
        self.plan = plan
        self.stack = ExitStack()
        self.network = Network(plan.world, plan.family)  # the one that is there
        self.firewall = firewall.choose_firewall(plan.firewall)
        verify_sysctls(plan.sysctls)
        self.nofile = raise_descriptor_limit()
        self.ports = read_port_range(plan.server_ports)
        plan_rules.refuse(
            plan_rules.missing_kernel_features(plan, has_local_port_range=host.has_local_port_range()),
            NotApplicableError,
        )
        plan_rules.refuse(plan_rules.host_faults(plan, self.ports, self.nofile))
        self.worker_cpus, _ = assign_cpus(plan)
        self.listener = ExternalListener(plan)
        silent = set(plan.server_ports) - {queue.local_port for queue in self.listener.listening()}
        if silent:
            raise UsageError(
                f"Nobody listens on {plan.target} port {min(silent)} in this network namespace; start the server "
                "before the storm."
            )


def storm_external_server(plan: Plan, asked: AskedKernel | None = None) -> Run:
    """Carry out a plan against the server at its target; return what was observed.

    Args:
        plan: what to do.
        asked: the kernel's own word, where this process asked for it before it entered a user namespace; None asks now.

    Raises:
        UsageError: the plan is invalid, or nobody listens there; nothing was started.
    """
    plan_rules.refuse(external_faults(plan))
    started = datetime.now(UTC)
    begun_ns = now_ns()
    with ExitStack() as to_the_end, ExternalEnvironment(plan) as environment:
        asked = asked or to_the_end.enter_context(AskedKernel(plan.evidence))
        client = Client(
            environment,
            plan,
            EXTERNAL_SCENARIO,
            first_address=0,
            notify=lambda _: None,
            folder=None,
            word=asked.word,
        )
        result = client.storm(begun_ns, None, to_the_end)
    record = Record(
        id=secrets.token_hex(3),
        program=f"connstorm {stress.__version__}",
        started_utc=started.isoformat(timespec="milliseconds"),
        plan=plan,
        host=host.read_host(),
        overhead=None,
        acts=[result.act],
        interrupted=result.interrupted,
        warnings=[*([asked.refusal] if asked.refusal else []), *result.warnings],
    )
    return Run(record, result.attempts, result.mines, result.events, result.uses)


def external_faults(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with a plan, and what of it needs a server and a namespace of connstorm's own."""
    yield from plan_rules.plan_faults(plan)
    excluded = {
        "mines": plan.mines,
        "acts": plan.acts,
        "a firewall": plan.drop is not Drop.NOTHING,
        "a server that leaks or stalls": plan.serve is not Serve.CLOSE,
        "a network of its own": not plan.host,
    }
    for what, wanted in excluded.items():
        if wanted:
            yield f"A storm against the server of others cannot have {what}."
    if plan.attempts is None or plan.duration_s is None or plan.deadline_s is None:
        yield "A storm against the server of others is bounded: give attempts, duration_s and deadline_s."
