# SPDX-License-Identifier: MIT
"""connstorm run-shell: the world of a plan in this process and its own namespace, and a program there."""

import os
import signal
import sys

import click

from stress.cli.output import Progress
from stress.cli.streams import print_text
from stress.cli.verb import Verb
from stress.lab import namespace
from stress.lab.pdeathsig import die_with_parent
from stress.lab.signals import SHELL_BASE
from stress.run.protocol import decode_plan


@click.command("run-shell", cls=Verb, hidden=True)
@click.argument("plan_text", metavar="PLAN")
@click.argument("host")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("--storm", is_flag=True, help="storm again and again meanwhile")
@click.option("--parent", type=int, help="the process without which this one ends")
@click.option("--quiet", is_flag=True, help="do not say what there is")
def run_shell(
    plan_text: str, host: str, command: tuple[str, ...], parent: int | None, *, storm: bool, quiet: bool
) -> None:
    """Make the world of PLAN, run COMMAND on HOST, and end with its exit code."""
    die_with_parent(signal.SIGTERM)
    if parent not in (None, os.getppid()):  # it has ended already
        sys.exit(SHELL_BASE + signal.SIGTERM)
    plan = decode_plan(plan_text.encode())
    namespace.enter_namespace(as_oneself=True)
    # numpy starts threads, and a process with threads cannot enter a namespace: only now.
    from stress.run import world_shell  # noqa: PLC0415
    from stress.view.text.world_wording import describe_world  # noqa: PLC0415

    def introduce() -> None:
        for line in () if quiet else describe_world(plan, host):
            print_text(line, err=True)

    notify = Progress(plan.scenario, quiet=quiet and not sys.stderr.isatty())
    sys.exit(world_shell.run(plan, host, command, notify, introduce, storm=storm))
