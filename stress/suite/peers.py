# SPDX-License-Identifier: MIT
"""The hosts across a link that a suite storms, and the fingerprint of each."""

from collections.abc import Iterable

from stress.model.errors import LabError, UsageError
from stress.model.kernel import HOST
from stress.model.progress import ProgressCallback
from stress.model.suite import Cell, Fingerprint
from stress.suite.executor.base import Executor, LinkedExecutor


def peer_names(cells: Iterable[Cell]) -> list[str]:
    """Return the names of the hosts across a link, without repetition."""
    return list(dict.fromkeys(name for cell in cells for name in cell.plan.peers))


def refuse_unlinked(cells: Iterable[Cell], executor: Executor) -> None:
    """Raise UsageError for a trial across a link that would not begin on the running kernel of this machine."""
    for cell in cells:
        if not cell.plan.peers:
            continue
        peer = cell.plan.peers[0]
        if cell.kernel != HOST:
            raise UsageError(
                f"{cell.name}: a kernel that is booted for its trials has no link to {peer}; leave the axis kernel out "
                "of its scenario, or [[exclude]] the two together."
            )
        if not isinstance(executor, LinkedExecutor):
            raise UsageError(f"{cell.name}: a suite storms {peer} from this machine alone; leave out --executor.")


def take_peer_fingerprints(
    cells: Iterable[Cell], executor: Executor, notify: ProgressCallback
) -> dict[str, Fingerprint]:
    """Ask each host across a link what it is; return its fingerprint by its name, without hosts that do not answer.

    Args:
        cells: of the suite, which ``refuse_unlinked`` lets pass.
        executor: of their trials.
        notify: progress callback; it is told why a host has no fingerprint, as its trials will say.
    """
    fingerprints = {}
    for name in peer_names(cells):
        assert isinstance(executor, LinkedExecutor)
        notify(f"asking {name} what it is")
        try:
            fingerprints[name] = executor.fingerprint_peer(name)
        except LabError as error:
            notify(f"{error} The trials that storm {name} fail as long as that is so.")
    return fingerprints
