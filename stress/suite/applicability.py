# SPDX-License-Identifier: MIT
"""Whether a host can run a cell: whether it makes namespaces, has the settings that are changed, and can profile."""

from collections.abc import Iterable, Mapping

from stress.lab import sysctl
from stress.lab.perf import require_perf, sampling_refusal
from stress.model.errors import LabError, UsageError
from stress.model.kernel import HOST
from stress.model.suite import Cell, Fingerprint
from stress.suite import arms
from stress.suite.executor.base import BootingExecutor, Executor
from stress.suite.executor.local import Local


def changed_settings(cell: Cell) -> list[str]:
    """Return the settings that a cell changes, in any of its acts."""
    return list(dict.fromkeys(name for act in cell.plan.storms().values() for name in act.sysctls))


def unsupported_reason(cell: Cell, fingerprint: Fingerprint, *, host: bool) -> str | None:
    """Return a sentence that names the settings of a cell that its host does not have, or None if it has all."""
    available = {*fingerprint.settings, *(fingerprint.host_settings if host else ())}
    acts = (sysctl.drop_implied(act.sysctls, available.__contains__) for act in cell.plan.storms().values())
    missing = [name for name in dict.fromkeys(name for act in acts for name in act) if name not in available]
    if not missing:
        return None
    return f"Linux {fingerprint.host.kernel} has no {', '.join(missing)}."


def refuse_host_settings(cells: Iterable[Cell], fingerprint: Fingerprint, *, host: bool) -> None:
    """Raise UsageError when a cell changes a setting that only the whole host has, and --host was not given."""
    for cell in cells:
        for name in changed_settings(cell):
            if name in fingerprint.host_settings and not host:
                raise UsageError(
                    f"{cell.name}: {name} belongs to the whole host, not to a private namespace; to change it there "
                    "during each trial, and restore it afterwards, give --host as root."
                )


def refuse_without_namespace(cells: Iterable[Cell], fingerprints: Mapping[str, Fingerprint]) -> None:
    """Raise LabError when a host makes no private namespaces and a cell needs one: each of its trials would fail."""
    if not any(arms.needs_namespace(cell) for cell in cells):
        return
    for name, fingerprint in fingerprints.items():
        if fingerprint.refused:
            where = "" if len(fingerprints) == 1 else f"{name}: "
            raise LabError(f"{where}{fingerprint.refused}")


def refuse_profiles(cells: Iterable[Cell], executor: Executor) -> None:
    """Raise UsageError for a cell that cannot be profiled: perf samples a machine, and all that runs on it."""
    for cell in cells:
        if not cell.profile:
            continue
        if not cell.measures:
            raise UsageError(
                f"{cell.name}: trials with measures = false run at the same time, and so each would be in the profile "
                "of the others; leave out profile = true there, or measures = false."
            )
        if not isinstance(executor, Local | BootingExecutor) or cell.arm or cell.plan.peers:
            raise UsageError(
                f"{cell.name}: profile = true is for storms whose client and server are both connstorm's own and on "
                "this machine or in its guests; leave it out, or --executor, the link to a peer, and [[arm]]."
            )


def require_profiler(cells: Iterable[Cell]) -> None:
    """Raise UsageError where a cell is to be profiled, and perf is not installed or may not sample this machine."""
    kernels = {cell.kernel for cell in cells if cell.profile}
    if not kernels:
        return
    require_perf("profile = true")  # guests have the files of this machine, and everybody is root there
    if HOST in kernels and (refusal := sampling_refusal()):
        raise UsageError(f"There can be no profile: {refusal}. Run the suite as root, or leave out profile = true.")
