# SPDX-License-Identifier: MIT
"""Whether a cell can be on a host at all: its settings exist there."""

from collections.abc import Iterable

from stress.lab import sysctl
from stress.model.errors import UsageError
from stress.model.suite import Cell, Fingerprint


def changed_settings(cell: Cell) -> list[str]:
    """Return the settings that a cell changes, in any of its acts."""
    return list(dict.fromkeys(name for act in cell.plan.storms().values() for name in act.sysctls))


def unsupported_reason(cell: Cell, attestation: Fingerprint, *, host: bool) -> str | None:
    """Return in a sentence what a cell needs that this host has not, or None."""
    there = {*attestation.settings, *(attestation.host_settings if host else ())}
    acts = (sysctl.asked(act.sysctls, there.__contains__) for act in cell.plan.storms().values())
    missing = [name for name in dict.fromkeys(name for act in acts for name in act) if name not in there]
    if not missing:
        return None
    return f"Linux {attestation.host.kernel} has no {', '.join(missing)}."


def refuse_host_settings(cells: Iterable[Cell], attestation: Fingerprint, *, host: bool) -> None:
    """Raise UsageError when a cell changes what only the whole host has, and may not."""
    for cell in cells:
        for name in changed_settings(cell):
            if name in attestation.host_settings and not host:
                raise UsageError(
                    f"{cell.name}: {name} belongs to the whole host, not to a private namespace; to change it there "
                    "for the time of each trial, and put it back, give --host as root."
                )
