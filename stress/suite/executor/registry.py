# SPDX-License-Identifier: MIT
"""The executors that ``--executor NAME[:WHERE]`` names. A new one is a module of this folder, and a row here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stress.model.errors import UsageError
from stress.model.extra import require_package
from stress.suite.executor.base import Executor
from stress.suite.executor.local import Local
from stress.suite.executor.virtme import Virtme


@dataclass(frozen=True)
class Registration:
    """An executor that can be named.

    Attributes:
        make: returns the executor for the text after the colon, the names of hosts, and the command that starts
            connstorm there. It imports what only this executor needs.
        takes_hosts: whether it runs trials on other machines, which ``--hosts`` names.
    """

    make: Callable[[str, Sequence[str], str], Executor]
    takes_hosts: bool


def make_local(where: str, hosts: Sequence[str], command: str) -> Executor:  # noqa: ARG001  # as the others
    """Return the executor of this machine."""
    refuse_place(where)
    return Local(command)


def make_virtme(where: str, hosts: Sequence[str], command: str) -> Executor:  # noqa: ARG001  # as the others
    """Return the executor that boots the kernels of cells on this machine."""
    refuse_place(where)
    return Virtme(Local(command))


def make_ssh(where: str, hosts: Sequence[str], command: str) -> Executor:
    """Return the executor of hosts that are reached by ssh."""
    require_package("asyncssh", "fleet", "--executor ssh")
    from stress.suite.executor.ssh import Ssh  # noqa: PLC0415  # asyncssh is of the extra fleet

    if where:
        raise UsageError(f"--executor ssh:{where} is not understood; write --executor ssh --hosts {where}.")
    return Ssh(hosts, command)


def make_dask(where: str, hosts: Sequence[str], command: str) -> Executor:  # noqa: ARG001  # each worker has its own
    """Return the executor of the workers of a dask scheduler."""
    require_package("distributed", "fleet", "--executor dask")
    from stress.suite.executor.dask import DaskFleet  # noqa: PLC0415  # dask is of the extra fleet

    if not where:
        raise UsageError("--executor dask needs the address of a scheduler: --executor dask:tcp://lab0:8786.")
    return DaskFleet(where, hosts)


def refuse_place(where: str) -> None:
    """Raise UsageError when a place was given to an executor of this machine."""
    if where:
        raise UsageError(f"This executor is of this machine, and {where!r} no place for it; leave out the colon.")


EXECUTORS: dict[str, Registration] = {
    "local": Registration(make_local, takes_hosts=False),
    "vng": Registration(make_virtme, takes_hosts=False),
    "ssh": Registration(make_ssh, takes_hosts=True),
    "dask": Registration(make_dask, takes_hosts=True),
}


def make_executor(text: str, hosts: Sequence[str] = (), command: str = "connstorm") -> Executor:
    """Return the executor that ``NAME[:WHERE]`` stands for.

    Args:
        text: as ``--executor`` has it.
        hosts: names of hosts, for an executor that takes them.
        command: what starts connstorm on them.

    Raises:
        UsageError: there is none of that name, a package is missing, or the arguments do not fit.
        LabError: what it needs does not answer.
    """
    name, _, where = text.partition(":")
    if name not in EXECUTORS:
        raise UsageError(f"There is no executor {name!r}; there are {', '.join(EXECUTORS)}.")
    if hosts and not EXECUTORS[name].takes_hosts:
        takers = " and ".join(taker for taker, registration in EXECUTORS.items() if registration.takes_hosts)
        raise UsageError(f"--hosts is for the executors {takers}, not for {name}; leave it out.")
    return EXECUTORS[name].make(where, hosts, command)
