# SPDX-License-Identifier: MIT
"""connstorm demo: the article in one command."""

from pathlib import Path

import click
from rich.text import Text

from stress.cli.interrupts import catch_sigterm
from stress.cli.output import Progress, console, json_option, output_option, print_object, run_object
from stress.cli.verb import Verb
from stress.run import demo as storms
from stress.view.text.demo_table import demo_table


@click.command(cls=Verb)
@click.option("--seed", type=int, default=1, show_default=True, help="of the mines' places and the order of ports")
@output_option
@json_option
def demo(seed: int, output: Path, *, as_json: bool) -> None:
    r"""Re-create the article's case: five storms, one table, one figure.

    \b
    (a) a clean storm: at once
    (b) the same storm over a minefield of CLOSE_WAIT sockets: two jiffies
    (c) a firewall answers the challenge ACK in the client's place: one second, as before Linux 5.6
    (d) a kernel that answers at most 100 SYNs a second with a challenge ACK: seconds
    (e) a firewall drops the client's RST: ETIMEDOUT
    """
    catch_sigterm()
    progress = Progress("demo", quiet=as_json)
    made = storms.run(output, seed, progress, progress.watch)
    if as_json:
        objects = [
            run_object(panel.findings.run.record.plan.scenario, panel.path, panel.findings.summary)
            for panel in made.panels
        ]
        print_object({"figure": str(made.figure), "runs": objects, "missing": made.missing})
        return
    printer = console()
    printer.print(demo_table((panel.letter, panel.findings) for panel in made.panels))
    for panel in made.panels:
        for warning in panel.findings.summary.warnings:
            printer.print(Text(f"warning: ({panel.letter}) {warning}", style="yellow"))  # it may have brackets
    for reason in made.missing.values():
        printer.print(Text(f"left out: {reason}", style="yellow"))
    printer.print(f"figure: {made.figure}", soft_wrap=True)
