# SPDX-License-Identifier: MIT
"""A visit: a storm against a server that others have started, in the network namespace where it listens."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import stress
from stress._fastconnect import now_ns
from stress.lab import census, firewall, host
from stress.lab.listener import Listener
from stress.model.errors import NotApplicableError, UsageError
from stress.model.plan import Drop, Plan, Serve
from stress.model.record import Record
from stress.model.run import Run
from stress.storm.check import plan_rules
from stress.storm.client import Client
from stress.storm.environment import Environment, assign_cpus, raise_descriptor_limit, verify_sysctls
from stress.storm.ports import read_port_range

EXTERNAL_SCENARIO = "visit"  # the scenario's name
FAMILIES = (4, 6)  # a socket of IPv6 may serve IPv4 too


class ExternalListener(Listener):
    """A server of which only its ports are known: none of its processes are ours, and it reports nothing."""

    def __init__(self, plan: Plan) -> None:
        self.family = plan.family
        self.ports = plan.server_ports
        self.processes = []
        self.sockets = []

    def queue_length(self) -> int:
        """Return how many connections wait to be accepted."""
        return sum(each.receive_queue for each in self.listening())

    def listening(self) -> list[census.Socket]:
        """Return the sockets that listen on its ports."""
        every = (each for family in FAMILIES for each in census.iterate_sockets(family, ["LISTEN"]))
        return [each for each in every if each.local_port in self.ports]

    def close(self) -> None:
        """Leave it alone."""


class ExternalEnvironment(Environment):
    """The world of a server that others have started: nothing in it is set, and nothing is ended."""

    def __init__(self, plan: Plan) -> None:
        """Look at the world.

        Raises:
            UsageError: the plan cannot be carried out here, or nobody listens there.
        """
        self.plan = plan
        self.stack = ExitStack()
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
        silent = set(plan.server_ports) - {each.local_port for each in self.listener.listening()}
        if silent:
            raise UsageError(
                f"Nobody listens on {plan.target} port {min(silent)} in this network namespace; start the server "
                "before the storm."
            )


def storm_external_server(plan: Plan) -> Run:
    """Carry out a plan against the server at its target; return what was observed.

    Raises:
        UsageError: the plan cannot be, or nobody listens there; nothing was started.
    """
    plan_rules.refuse(external_faults(plan))
    started = datetime.now(UTC)
    begun_ns = now_ns()
    with ExitStack() as to_the_end, ExternalEnvironment(plan) as world:
        client = Client(world, plan, EXTERNAL_SCENARIO, first_address=0, notify=lambda _: None, folder=None)
        part = client.storm(begun_ns, None, to_the_end)
    record = Record(
        id=secrets.token_hex(3),
        program=f"connstorm {stress.__version__}",
        started_utc=started.isoformat(timespec="milliseconds"),
        plan=plan,
        host=host.read_host(),
        overhead=None,
        acts=[part.act],
        interrupted=part.interrupted,
        warnings=part.warnings,
    )
    return Run(record, part.attempts, part.mines)


def external_faults(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with a plan, or needs a server and a namespace of our own."""
    yield from plan_rules.plan_faults(plan)
    ours = {
        "mines": plan.mines,
        "acts": plan.acts,
        "a firewall": plan.drop is not Drop.NOTHING,
        "a server that leaks or stalls": plan.serve is not Serve.CLOSE,
        "a network of its own": not plan.host,
    }
    for what, wanted in ours.items():
        if wanted:
            yield f"A storm against the server of others cannot have {what}."
    if plan.attempts is None or plan.duration_s is None or plan.deadline_s is None:
        yield "A storm against the server of others is bounded: give attempts, duration_s and deadline_s."
