# SPDX-License-Identifier: MIT
"""The names that a public page leaves out: of hosts, users and folders that stored runs and this machine know."""

import getpass
import platform
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from stress.model.plan import Plan
from stress.store import suite_folder
from stress.store.run_folder import RUN_FILE
from stress.store.run_header import read_header
from stress.store.runs import read_observations
from stress.store.suite_folder import SUITE_FILE


def known_names(paths: Iterable[Path]) -> Mapping[str, list[str]]:
    """Return names by what they are called in a public page.

    Args:
        paths: of run folders, suite folders, or folders of these.

    Raises:
        UsageError: one is damaged.
    """
    folders = list(paths)
    hosts = [name for path in folders for name in host_names(path)]
    own = platform.node()
    hosts += [own, own.partition(".")[0]]
    users = [name.partition("@")[0] for name in hosts if "@" in name]
    places = [str(place) for path in folders for place in (path, path.absolute(), path.resolve())]
    places += [str(Path.cwd()), str(Path.home())]
    return {"folder": [place for place in places if "/" in place], "host": hosts, "user": [*users, getpass.getuser()]}


def host_names(path: Path) -> Iterator[str]:
    """Yield the names of hosts that a folder knows: those of suites, of peers, and of ssh destinations."""
    if (path / SUITE_FILE).is_file():
        file = suite_folder.read(path)
        yield from (*file.fingerprints, *file.peers)
        for cell in file.cells:
            yield from plan_hosts(cell.plan)
    elif (path / RUN_FILE).is_file():
        yield from plan_hosts(read_header(path).plan)
    else:
        for run in read_observations(path, ""):
            yield from plan_hosts(run.plan)


def plan_hosts(plan: Plan) -> Iterator[str]:
    """Yield the hosts across a link of a plan, with and without user and port."""
    for name in plan.peers:
        host = name.rpartition("@")[2].partition(":")[0]
        yield from (name, host, host.partition(".")[0])
