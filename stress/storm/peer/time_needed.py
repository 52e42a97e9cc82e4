# SPDX-License-Identifier: MIT
"""The time that a plan needs at the rate that a serving host permits, found out before anything is sent."""

from collections.abc import Iterator

from stress.model.peer import ServeLimits
from stress.model.plan import Plan
from stress.storm.check.plan_rules import attempt_count
from stress.storm.peer.pace import PACE
from stress.storm.ports import read_port_range


def laying_rate(limits: ServeLimits) -> float:
    """Return the rate (1/s) at which the connections are made that become mines."""
    return PACE * limits.max_rate_per_s


def time_faults(plan: Plan, limits: ServeLimits, name: str) -> Iterator[str]:
    """Yield why a plan takes longer than a serving host permits, as far as it can be known before.

    Args:
        plan: the whole one.
        limits: of the serving host.
        name: of the serving host, as the user wrote it.
    """
    needed_s = sum(least_s(act, limits) for act in plan.storms().values())
    if needed_s > limits.max_seconds:
        yield (
            f"{plan.scenario} takes {needed_s:,.0f} s at least, at the rates that it may have, and {name} permits "
            f"{limits.max_seconds:,g} s (connstorm serve --max-seconds); lower --attempts, --mines or --duration."
        )


def least_s(plan: Plan, limits: ServeLimits) -> float:
    """Return how long the mines and the storm of an act take at least."""
    ports = read_port_range(plan.server_ports, plan.port_range)
    storm_s = attempt_count(plan, ports) / (plan.rate_per_s or limits.max_rate_per_s)
    if plan.duration_s is not None:
        storm_s = min(storm_s, plan.duration_s)
    return plan.mines / laying_rate(limits) + plan.rest_s + storm_s
