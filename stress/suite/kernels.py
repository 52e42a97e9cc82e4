# SPDX-License-Identifier: MIT
"""The kernels that a suite boots, in addition to the running one, and the fingerprint of each."""

from collections.abc import Iterable, Sequence

import msgspec

from stress.model.errors import UsageError
from stress.model.kernel import HOST, parse_kernel_name
from stress.model.progress import ProgressCallback
from stress.model.suite import KERNEL, Cell, Fingerprint, Suite
from stress.suite.executor.base import BootingExecutor, Executor
from stress.suite.executor.local import Local
from stress.suite.executor.virtme import Virtme


def add_kernel_axis(suite: Suite, kernels: Sequence[str]) -> Suite:
    """Return a suite of which every entry runs on some kernels, the first of which is the baseline.

    Args:
        suite: without an axis of kernels.
        kernels: as suites name them: ``host``, ``deb:bookworm``, a file.

    Raises:
        UsageError: the suite has an axis of kernels, or a name is none.
    """
    if any(KERNEL in entry.axes for entry in suite.entries):
        raise UsageError(f"The suite {suite.name} has an axis kernel already; leave it out of [matrix].")
    for name in kernels:
        parse_kernel_name(name)
    entries = [msgspec.structs.replace(entry, axes={**entry.axes, KERNEL: list(kernels)}) for entry in suite.entries]
    return msgspec.structs.replace(suite, entries=entries)


def kernels_to_boot(cells: Iterable[Cell]) -> list[str]:
    """Return the names of the kernels that have to be booted, without repetition."""
    return list(dict.fromkeys(cell.kernel for cell in cells if cell.kernel != HOST))


def executor_for_cells(executor: Executor, cells: Sequence[Cell]) -> Executor:
    """Return an executor that can run these cells: in place of Local one that boots kernels, where a cell needs it.

    Raises:
        UsageError: the executor runs trials on other machines, and boots no kernels.
    """
    if not kernels_to_boot(cells) or isinstance(executor, BootingExecutor):
        return executor
    if isinstance(executor, Local):
        return Virtme(executor)
    raise UsageError(
        f"The axis kernel boots {', '.join(kernels_to_boot(cells))} on this machine; leave out --executor, or the axis."
    )


def boot_fingerprints(
    cells: Sequence[Cell], executor: Executor, notify: ProgressCallback, *, host: bool
) -> dict[str, Fingerprint]:
    """Boot each kernel once and return its fingerprint by its name, without kernels that do not boot.

    Args:
        cells: of the suite.
        executor: as ``executor_for_cells`` returns it.
        notify: progress callback.
        host: run on the host's own network stack.

    Raises:
        UsageError: there is no such kernel, or ``host`` was given together with kernels to boot.
        LabError: a kernel cannot be fetched, or this machine cannot boot any.
    """
    if host and kernels_to_boot(cells):
        raise UsageError("--host is for the running kernel alone: a kernel that is booted is a machine of its own.")
    fingerprints = {}
    for name in kernels_to_boot(cells):
        assert isinstance(executor, BootingExecutor)
        if (fingerprint := executor.fingerprint_kernel(name, notify)) is not None:
            fingerprints[name] = fingerprint
    return fingerprints
