# SPDX-License-Identifier: MIT
"""connstorm run-cells: the template of a suite's cells. Each copy of it goes on as ``run-cell``."""

import signal
import socket
import sys

import click

from stress.cli.run_cell import run_cell
from stress.cli.verb import Verb
from stress.lab.pdeathsig import die_with_parent


@click.command("run-cells", cls=Verb, hidden=True)
@click.argument("descriptor", type=int)
def run_cells(descriptor: int) -> None:
    """Make a copy of this process for each cell that is asked for at a socket, DESCRIPTOR."""
    die_with_parent(signal.SIGKILL)
    import numpy.ma  # noqa: F401, PLC0415  # what a cell loads once it is in its namespace; none of it starts a thread here
    import pyroute2  # noqa: F401, PLC0415

    from stress.lab import host_names, host_sysctls, idle  # noqa: F401, PLC0415
    from stress.run import cell, protocol, template_process  # noqa: F401, PLC0415
    from stress.run.peer import peer_storm  # noqa: F401, PLC0415
    from stress.storm import profiler  # noqa: F401, PLC0415

    arguments = template_process.answer_questions(socket.socket(fileno=descriptor))
    sys.argv[1:] = ["run-cell", *arguments]
    run_cell.main(arguments, prog_name="connstorm run-cell", standalone_mode=False)
