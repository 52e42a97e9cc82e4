# SPDX-License-Identifier: MIT
"""connstorm worker: this machine as a host of a fleet, for as long as the scheduler is there."""

import asyncio

import click

from stress.cli.verb import Verb
from stress.model.extra import require_package


@click.command(cls=Verb)
@click.argument("scheduler", metavar="SCHEDULER")
@click.option("--name", help="of this host in the fleet; by default the machine's")
def worker(scheduler: str, name: str | None) -> None:
    r"""Run the trials that connstorm suite --executor dask:SCHEDULER sends to this host.

    It is a dask worker that does next to nothing during a storm. Its end is that of the scheduler; let the service
    manager start it anew.

    \b
    Examples:
      dask scheduler --port 8786                       on one machine, which is no host of the fleet
      connstorm worker tcp://lab0:8786 --name lab1     on each host
      connstorm suite smoke --executor dask:tcp://lab0:8786
    """
    require_package("distributed", "fleet", "connstorm worker")
    from stress.suite.executor.dask_worker import run_worker  # noqa: PLC0415  # of an extra

    asyncio.run(run_worker(scheduler, name))
