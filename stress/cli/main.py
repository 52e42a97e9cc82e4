# SPDX-License-Identifier: MIT
"""The command line: finds the verb, and turns errors into exit codes."""

import sys

import click

from stress import __version__
from stress.cli.bisect import bisect
from stress.cli.calibrate import calibrate
from stress.cli.compare import compare
from stress.cli.demo import demo
from stress.cli.doctor import doctor
from stress.cli.explain import explain
from stress.cli.export import export
from stress.cli.gate import gate
from stress.cli.history import history
from stress.cli.kernels import kernels
from stress.cli.plot import plot
from stress.cli.power import power
from stress.cli.run import run
from stress.cli.run_cell import run_cell
from stress.cli.scenarios import scenarios
from stress.cli.suite import suite
from stress.cli.worker import worker
from stress.model.errors import INTERRUPTED, ConnstormError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="connstorm")
def connstorm() -> None:
    r"""TCP connect()/close() storms on Linux: what every attempt cost, and why it was slow.

    \b
    Exit codes: 0 fine, 1 regression confirmed (gate, history --gate), 2 wrong use or bad input, 3 the lab failed,
    4 inconclusive (gate --strict), 5 no comparable baseline (gate --require-baseline), 130 interrupted.
    """


for verb in (
    demo,
    run,
    suite,
    compare,
    gate,
    bisect,
    history,
    calibrate,
    power,
    scenarios,
    explain,
    plot,
    export,
    kernels,
    doctor,
    worker,
    run_cell,
):
    connstorm.add_command(verb)
for command in (connstorm, *connstorm.commands.values()):
    # Examples keep their lines after a backspace, which is click's mark; raw docstrings spell it in two letters.
    command.help = (command.help or "").replace("\\b\n", "\b\n")


def main() -> None:
    """Run the program."""
    try:
        code = connstorm.main(prog_name="connstorm", standalone_mode=False)
    except ConnstormError as error:
        click.echo(f"connstorm: {error}", err=True)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("connstorm: interrupted; nothing was kept of what had not begun to storm.", err=True)
        code = INTERRUPTED
    sys.exit(code or 0)
