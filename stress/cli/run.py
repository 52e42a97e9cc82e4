# SPDX-License-Identifier: MIT
"""connstorm run: one scenario, a run folder and its summary."""

import sys
from pathlib import Path
from typing import Any

import click

from stress.cli.completion import complete_scenario
from stress.cli.counts import COUNT
from stress.cli.interrupts import catch_sigterm, interrupted_code
from stress.cli.options import make_against_plan, make_plan, plan_options
from stress.cli.output import (
    Progress,
    books_option,
    console,
    json_option,
    output_option,
    print_object,
    print_report,
    run_object,
)
from stress.cli.peer import add_peer_options, make_peer_plan, take_peer_choice
from stress.cli.profile import add_profile_options, print_profile, take_profile_choice
from stress.cli.streams import print_text
from stress.cli.verb import Verb
from stress.compare.earlier import find_earlier
from stress.model.errors import UNBALANCED, LabError, UsageError
from stress.run import process
from stress.run import time_limit as _loaded_early  # noqa: F401  # an interrupt while it loads would be a crash
from stress.store import run_folder
from stress.storm.catalogue import find_scenario
from stress.storm.check import plan_rules
from stress.view.text.earlier_wording import earlier_lines


@click.command(cls=Verb)
@click.argument("name", metavar="SCENARIO", shell_complete=complete_scenario)
@plan_options
@click.option(
    "--against",
    metavar="HOST:PORT",
    help="storm a server that is there already, where it is, and change nothing; bounded by 10,000 attempts, 30 s and "
    "2,000 a second, or what --attempts, --duration and --rate say",
)
@click.option("--netns", metavar="PATH|PID", help="with --against: in this network namespace, or in that of a process")
@click.option(
    "--until-slow",
    type=COUNT,
    metavar="N",
    help="with --against: go on, within the bounds of time, until N slow attempts were captured",
)
@add_peer_options
@add_profile_options
@click.option("--strict", is_flag=True, help="exit with 4 when the books do not balance")
@click.option("--draw/--no-draw", default=True, help="make the figures; connstorm plot does it later")
@output_option
@books_option
@json_option
def run(
    name: str,
    output: Path,
    against: str | None,
    netns: str | None,
    until_slow: int | None,
    *,
    strict: bool,
    draw: bool,
    with_books: bool,
    as_json: bool,
    **options: Any,
) -> None:
    r"""Run one SCENARIO in a private namespace; write a run folder and print its summary.

    What no option says is as the scenario has it. Counts may be written like 5000000, 5_000_000, 5e6 or 5M.

    \b
    Examples:
      connstorm run clean --sweeps 4
      connstorm run closewait --mines 2000 --seed 7
      connstorm run closewait --mines 500 --set net.ipv4.tcp_challenge_ack_limit=50
      connstorm run clean --host --attempts 1000 --strict
      connstorm run clean --port-range 40000-40999 --ports kernel --close fin --json
      connstorm run clean --against 127.0.0.1:8080
      connstorm run clean --against localhost:8080 --netns 4711 --until-slow 3 --duration 120
      connstorm run clean --sweeps 20 --profile
      connstorm run closewait --mines 500 --peer lab2
      connstorm run clean --peer 192.0.2.2:7411 --join - --attempts 5000
    """
    choice = take_peer_choice(options)
    profile = take_profile_choice(options, is_local=not choice.peers and against is None)
    base = find_scenario(name).plan
    if choice.peers:
        if against is not None:
            raise UsageError(
                "--peer storms a server of connstorm's own, --against one that is there; give one of them."
            )
        plan = make_peer_plan(base, choice, options)
    elif against is None:
        if netns is not None or until_slow is not None:
            raise UsageError("--netns and --until-slow are for a storm against a server that is there: --against.")
        plan = make_plan(base, options)
        plan_rules.refuse(plan_rules.plan_faults(plan))
    else:
        plan = make_against_plan(name, against, options | {"strict": strict or None, "until_slow": until_slow})
    run_folder.check_writable(output)
    catch_sigterm()
    place = ("--netns", netns) if netns else ()
    cell_options = (*choice.options, *profile.options, *place, *(() if draw else ("--no-draw",)))
    progress = Progress(name, quiet=as_json)
    path = process.run(plan, output, progress, cell_options, choice.variables, watch=progress.watch)
    observed, summary = run_folder.read(path)
    if as_json:
        print_object(run_object(plan.scenario, path, summary))
    else:
        print_report(observed.record, summary, path, with_books=with_books)
        if not observed.record.interrupted and (earlier := find_earlier(path, output)):
            print_text(earlier_lines(earlier, console().width))
        print_profile(observed, path, refusal=profile.refusal)
    if lost := next((act.peer.lost for act in observed.record.acts if act.peer and act.peer.lost), None):
        raise LabError(f"{lost} What was recorded until then is in {path}.")
    if observed.record.interrupted:
        sys.exit(interrupted_code())
    if strict and not (summary.books and all(claim.balanced for claim in summary.books)):
        sys.exit(UNBALANCED)
