# SPDX-License-Identifier: MIT
"""A storm across a link from a Python program."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stress.run.stored_run import StoredRun


def run_across_link(
    scenario: str,
    *peers: str,
    join: str | None = None,
    remote_connstorm: str | None = None,
    set_host: bool = False,
    output: Path | str = "results",
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> StoredRun:
    """Run one scenario against a host across a link, and store it; arguments are as of ``connstorm run --peer``.

    Args:
        scenario: its name.
        peers: the host that serves, ``[user@]host[:port]``, and the further clients.
        join: the word that ``connstorm serve`` printed there, for TLS; None: by ssh.
        remote_connstorm: what starts connstorm there, for ssh.
        set_host: whether settings, rules and routes of all hosts may be changed, and restored after the storm.
        output: the folder of all runs.
        progress: called with a sentence when a stage begins.
        options: fields of ``Plan``; ``target`` is the address there, by default that of the control connection.

    Raises:
        UsageError: as ``run``, or what cannot be had across a link.
        LabError: the other host cannot be reached, refuses, or was lost before anything was recorded. What was recorded
            before a loss is stored and returned: ``record.acts[-1].peer.lost`` then has the reason.
    """
    from stress.run import process  # noqa: PLC0415  # the public API loads it when it is needed
    from stress.run.peer.peer_call import peer_options  # noqa: PLC0415
    from stress.run.scenario_plan import make_plan_across  # noqa: PLC0415
    from stress.store import run_folder  # noqa: PLC0415

    cell_options, variables = peer_options(peers, join, remote_connstorm, may_change=set_host)
    plan = make_plan_across(scenario, peers, options)
    folder = Path(output)
    run_folder.check_writable(folder)
    path = process.run(plan, folder, progress or (lambda _: None), cell_options, variables)
    return StoredRun(path, *run_folder.read(path))
