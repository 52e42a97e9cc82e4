# SPDX-License-Identifier: MIT
"""The kernels that a suite's cells are to run on, beside the running one, and what each says of itself."""

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from stress.model.errors import UsageError
from stress.model.kernel import HOST
from stress.model.progress import Notify
from stress.model.suite import Attestation, Cell
from stress.suite.executor.base import Executor
from stress.suite.executor.local import Local
from stress.suite.executor.virtme import Virtme


@runtime_checkable
class Boots(Protocol):
    """An executor that can boot kernels."""

    def attest_kernel(self, name: str, notify: Notify) -> Attestation | None:
        """Boot a kernel and ask it what it is; return None when it does not boot, which its trials will say."""


def named(cells: Iterable[Cell]) -> list[str]:
    """Return the kernels that have to be booted, each once."""
    return list(dict.fromkeys(cell.kernel for cell in cells if cell.kernel != HOST))


def fitting(executor: Executor, cells: Sequence[Cell]) -> Executor:
    """Return an executor that can run these cells: this machine's becomes one that boots, where a cell needs it.

    Raises:
        UsageError: the executor is of other machines, which boot no kernels.
    """
    if not named(cells) or isinstance(executor, Boots):
        return executor
    if isinstance(executor, Local):
        return Virtme()
    raise UsageError(
        f"The axis kernel boots {', '.join(named(cells))} on this machine; leave out --executor, or the axis."
    )


def attestations(cells: Sequence[Cell], executor: Executor, notify: Notify, *, host: bool) -> dict[str, Attestation]:
    """Boot each kernel once and return what it says of itself, without those that do not boot.

    Args:
        cells: of the suite.
        executor: one that fits.
        notify: is told what is done.
        host: run on the host's own network stack.

    Raises:
        UsageError: there is no such kernel, or ``host``, which no guest has.
        LabError: a kernel cannot be fetched, or this machine cannot boot any.
    """
    if host and named(cells):
        raise UsageError("--host is of the running kernel alone: a kernel that is booted is a machine of its own.")
    found = {}
    for name in named(cells):
        assert isinstance(executor, Boots)
        if (attestation := executor.attest_kernel(name, notify)) is not None:
            found[name] = attestation
    return found
