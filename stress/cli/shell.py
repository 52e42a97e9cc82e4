# SPDX-License-Identifier: MIT
"""connstorm shell: a shell on a host of a scenario's world."""

import os
import sys
from typing import Any

import click
import msgspec

from stress.cli.completion import complete_host, complete_scenario
from stress.cli.options import make_plan, plan_options
from stress.cli.verb import Verb
from stress.model.errors import UsageError
from stress.model.plan import Plan
from stress.model.text import did_you_mean
from stress.model.world import CLIENT, SERVER, Topology
from stress.run import world_shell
from stress.storm.catalogue import find_scenario
from stress.storm.check import plan_rules


@click.command(cls=Verb)
@click.argument("name", metavar="SCENARIO", shell_complete=complete_scenario)
@click.argument("place", metavar="HOST", shell_complete=complete_host)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
@click.option("--storm", is_flag=True, help="storm again and again meanwhile; nothing is stored")
@plan_options
def shell(name: str, place: str, command: tuple[str, ...], *, storm: bool, **options: Any) -> None:
    r"""Open a shell on a HOST of a SCENARIO's world: client, client2, router or server.

    Hosts, mines, rules and the server are as when the scenario runs; of several acts it is the first one with that
    host, or that of --act. With a COMMAND that is run in place of the shell, and its exit code is passed on.

    \b
    Examples:
      connstorm shell closewait server --mines 20
      connstorm shell closewait server -- ss -tan state close-wait
      connstorm shell accept-queue server --storm
    """
    plan = make_plan(find_scenario(name).plan, options)
    if plan.host:
        raise UsageError("A shell is on a host of a world of its own; leave out --host.")
    plan_rules.refuse(plan_rules.plan_faults(plan))
    act = choose_act(plan, place)
    flags = ["--parent", str(os.getpid()), *(["--storm"] if storm else []), *(["--quiet"] if command else [])]
    program = command or [os.environ.get("SHELL", "/bin/sh")]
    sys.exit(world_shell.run_apart(["run-shell", *flags, msgspec.json.encode(act).decode(), place, "--", *program]))


def choose_act(plan: Plan, host: str) -> Plan:
    """Return the plan of the first act whose world has a host.

    Raises:
        UsageError: none has.
    """
    hosts: dict[str, Plan] = {}
    for act in plan.storms().values():
        alone = act.world.topology is Topology.LOOPBACK
        for name in (CLIENT, SERVER) if alone else act.world.topology.hosts:
            hosts.setdefault(name, act)
    if host not in hosts:
        raise UsageError(
            f"There is no host {host!r} in the world of {plan.scenario}; there are {', '.join(hosts)}."
            f"{did_you_mean(host, hosts)}"
        )
    return hosts[host]
