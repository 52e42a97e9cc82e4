# SPDX-License-Identifier: MIT
"""The settings of a host for a storm: sysctls, the limit of descriptors, CPUs."""

import resource

from stress.lab import sysctl
from stress.lab.cpu_pairs import GivenUp, place_pairs, place_workers
from stress.lab.cpu_topology import read_topology
from stress.model.errors import UsageError
from stress.model.plan import Plan, Serve
from stress.model.world import Topology

LONGEST_QUEUE = "65535"  # so that a storm measures the accept queue only where its plan asks for that


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


def verify_sysctls(wanted: dict[str, str], who: str = "With --host") -> None:
    """Raise UsageError for settings that have other values than wanted; its text begins with who changes none."""
    values = {name: sysctl.read_existing(name) for name in sysctl.drop_implied(wanted)}
    others = [
        f"{name} is {value or 'empty'} here, not {wanted[name]}"
        for name, value in values.items()
        if not sysctl.is_same_value(name, value, wanted[name])
    ]
    if others:
        them = "it" if len(others) == 1 else "them"
        raise UsageError(
            f"{who} no setting is changed: {', and '.join(others)}; set {them} yourself (sysctl -w), or let a "
            "suite do it (connstorm suite --host)."
        )


def raise_descriptor_limit() -> int:
    """Raise RLIMIT_NOFILE to its hard value and return that."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def assign_cpus(plan: Plan) -> tuple[list[int | None], list[int]]:
    """Return the CPUs of the workers, and those of the listener: one, one for each worker, or none.

    All are different, and of different cores near each other if there are enough. With as many servers and listeners as
    workers, each worker has a server and a listener of its own, if there are two CPUs for each.
    """
    topology = read_topology()
    cpus = len(topology.cpus)
    if not plan.pin or cpus < max(plan.workers, 2):
        return [None] * plan.workers, []
    if is_paired(plan) and cpus >= 2 * plan.workers:
        placement = place_pairs(topology, plan.workers)
        if placement.given_up is not GivenUp.CPUS:
            return [*placement.clients], placement.servers
    workers, listener = place_workers(topology, plan.workers)
    return [*workers], [] if listener is None else [listener]


def is_paired(plan: Plan) -> bool:
    """Return whether each of a plan's workers can have one of its servers and one of its listeners."""
    has_as_many = 1 < plan.workers == plan.servers == plan.listeners and not plan.stuck
    on_loopback = plan.world.topology is Topology.LOOPBACK and plan.target_ports == 1
    return has_as_many and on_loopback and plan.serve is Serve.CLOSE and not plan.mines
