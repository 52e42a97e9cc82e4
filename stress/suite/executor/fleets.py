# SPDX-License-Identifier: MIT
"""The executors of other machines by name, as ``--executor`` has them; what they need is in the extra ``fleet``."""

from collections.abc import Callable, Sequence

from stress.model.errors import UsageError
from stress.suite.executor.base import Executor

NEEDS = "pip install 'connstorm[fleet]' brings it"


def ssh(where: str, hosts: Sequence[str], command: str) -> Executor:
    """Return the executor of hosts that are reached by ssh.

    Raises:
        UsageError: the hosts are not given, or a package is missing.
    """
    try:
        from stress.suite.executor.ssh import Ssh  # noqa: PLC0415  # of the extra
    except ImportError as error:
        raise UsageError(f"--executor ssh needs the package {error.name}; {NEEDS}.") from error
    if where:
        raise UsageError(f"--executor ssh:{where} is not understood; write --executor ssh --hosts {where}.")
    return Ssh(hosts, command)


def dask(where: str, hosts: Sequence[str], command: str) -> Executor:  # noqa: ARG001  # as the others
    """Return the executor of the workers of a dask scheduler; the command there is that of each worker.

    Raises:
        UsageError: the scheduler is not given, or a package is missing.
        LabError: the scheduler does not answer, or a worker is missing.
    """
    try:
        from stress.suite.executor.dask import DaskFleet  # noqa: PLC0415  # of the extra
    except ImportError as error:
        raise UsageError(f"--executor dask needs the package {error.name}; {NEEDS}.") from error
    if not where:
        raise UsageError("--executor dask needs the address of a scheduler: --executor dask:tcp://lab0:8786.")
    return DaskFleet(where, hosts)


# From each name, what makes an executor of the text after the colon, the hosts, and how connstorm is called there.
FLEETS: dict[str, Callable[[str, Sequence[str], str], Executor]] = {"ssh": ssh, "dask": dask}
