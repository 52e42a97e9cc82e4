# SPDX-License-Identifier: MIT
"""What a shell completes: the names of scenarios, their acts and hosts, causes and settings; click does options."""

import click

from stress.lab import sysctl
from stress.model.outcome import Cause
from stress.model.world import CLIENT, SERVER, Topology
from stress.storm.catalogue import SCENARIOS


def complete_scenario(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001  # click's signature
    """Return the names of scenarios that begin so."""
    return [name for name in SCENARIOS if name.startswith(incomplete)]


def complete_act(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001  # as above
    """Return the names of the acts of the scenario that stands before."""
    scenario = SCENARIOS.get(ctx.params.get("name") or "")
    return [name for name in scenario.plan.storms() if name.startswith(incomplete)] if scenario else []


def complete_host(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001  # as above
    """Return the names of the hosts of the scenario that stands before."""
    scenario = SCENARIOS.get(ctx.params.get("name") or "")
    if scenario is None:
        return []
    hosts = [CLIENT, SERVER]
    for act in scenario.plan.storms().values():
        if act.world.topology is not Topology.LOOPBACK:
            hosts += act.world.topology.hosts
    return [name for name in dict.fromkeys(hosts) if name.startswith(incomplete)]


def complete_cause(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001  # as above
    """Return the names of causes that begin so."""
    return [cause.value for cause in Cause if cause.value.startswith(incomplete)]


def complete_setting(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001  # as above
    """Return the settings that begin so, each with its equals sign."""
    return [f"{name}=" for name in sysctl.list_names() if name.startswith(incomplete)]
