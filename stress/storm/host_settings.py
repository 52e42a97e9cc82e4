# SPDX-License-Identifier: MIT
"""The settings of a host for a storm: sysctls, the limit of descriptors, CPUs."""

import os
import resource

from stress.lab import sysctl
from stress.model.errors import UsageError
from stress.model.plan import Plan

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


def assign_cpus(plan: Plan) -> tuple[list[int | None], int | None]:
    """Return the CPUs of the workers and of the listener: different ones, where there are as many."""
    available = sorted(os.sched_getaffinity(0))
    if not plan.pin or len(available) < max(plan.workers, 2):
        return [None] * plan.workers, None
    rest = available[plan.workers :]
    return [*available[: plan.workers]], rest[0] if rest else None
