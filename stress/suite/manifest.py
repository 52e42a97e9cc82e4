# SPDX-License-Identifier: MIT
"""The manifest of a suite: what is to be run, and on which hosts; new, or that of a folder that is resumed."""

import os
import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path

from stress.model.errors import UsageError
from stress.model.kernel import HOST
from stress.model.progress import ProgressCallback, ignore_progress
from stress.model.suite import Cell, Fingerprint, Suite
from stress.run.fingerprint import fingerprint_differences
from stress.store import suite_folder
from stress.store.suite_folder import SUITE_SCHEMA, Manifest
from stress.suite import arms, kernels, links, matrix, order, peers
from stress.suite.applicability import (
    refuse_host_settings,
    refuse_profiles,
    refuse_without_namespace,
    require_profiler,
)
from stress.suite.executor.base import Executor


def begin_suite(
    suite: Suite, executor: Executor, notify: ProgressCallback = ignore_progress, *, host: bool, boot: bool = True
) -> Manifest:
    """Return the manifest of a new suite: its cells, and the fingerprint of each host.

    Args:
        suite: what is to be run.
        executor: what runs the trials.
        notify: progress callback.
        host: run on the host's own network stack.
        boot: boot the kernels that the suite names and reach the hosts across links, to take their fingerprints;
            otherwise they have none.

    Raises:
        UsageError: the suite has no cell, has an invalid one, or asks for what is not permitted here.
        LabError: a host does not answer, speaks another protocol, or makes no namespaces.
    """
    cells = matrix.build_cells(suite, host=host)
    for cell in cells:
        if faults := list(links.plan_faults(cell.plan)):
            raise UsageError(f"The cell {cell.name!r} is invalid: {' '.join(faults)}")
    if host and os.geteuid() != 0:
        raise UsageError("--host changes settings of this host, which only root may; run it as root, or leave it out.")
    peers.refuse_unlinked(cells, executor)
    arms.refuse_arms(suite, cells, executor, host=host)
    refuse_profiles(cells, executor)
    fingerprints = {name: executor.fingerprint(name) for name in executor.hosts}
    if boot:  # --dry-run makes no namespace, and no profile
        require_profiler(cells)
        refuse_without_namespace(cells, fingerprints)
    for fingerprint in fingerprints.values():
        refuse_host_settings([cell for cell in cells if cell.kernel == HOST], fingerprint, host=host)
    return Manifest(
        schema=SUITE_SCHEMA,
        id=secrets.token_hex(3),
        started_utc=datetime.now(UTC).isoformat(timespec="milliseconds"),
        fingerprints=fingerprints,
        host=host,
        suite=suite,
        cells=cells,
        kernels=kernels.boot_fingerprints(cells, executor, notify, host=host) if boot else {},
        peers=peers.take_peer_fingerprints(cells, executor, notify) if boot else {},
        arms=arms.take_arm_fingerprints(suite, notify) if boot else {},
    )


def resume_suite(
    path: Path, suite: Suite, executor: Executor, notify: ProgressCallback = ignore_progress, *, host: bool
) -> Manifest:
    """Return the manifest of a suite folder to be resumed, with the number of trials that the suite now has.

    Raises:
        UsageError: the suite, the program or a host differs in something that the trials so far depend on.
        LabError: a host does not answer, speaks another protocol, or makes no namespaces.
    """
    old = suite_folder.read(path)
    cells = matrix.build_cells(suite, host=old.host)
    peers.refuse_unlinked(cells, executor)
    arms.refuse_arms(suite, cells, executor, host=old.host)
    refuse_profiles(cells, executor)
    require_profiler(cells)
    if host and not old.host:
        raise UsageError(f"{path} was started without --host; leave it out, or start a new suite without --resume.")
    refuse_changed_cells(path, old.cells, cells)
    for name, was, now in (
        ("seed", old.suite.seed, suite.seed),
        ("settle_s", old.suite.settle_s, suite.settle_s),
        ("hosts", sorted(old.fingerprints), sorted(executor.hosts)),
    ):
        if was != now:
            raise UsageError(f"{path} was started with {name} {was}, and now it is {now}; {RESTORE}")
    fingerprints = {name: executor.fingerprint(name) for name in executor.hosts}
    refuse_without_namespace(cells, fingerprints)
    for name, fingerprint in fingerprints.items():
        refuse_changed_host(path, name, old.fingerprints[name], fingerprint)
    booted = kernels.boot_fingerprints(cells, executor, notify, host=old.host)
    linked = peers.take_peer_fingerprints(cells, executor, notify)
    armed = arms.take_arm_fingerprints(suite, notify)
    for stored, present in ((old.kernels, booted), (old.peers, linked), (old.arms, armed)):
        for name in stored.keys() & present.keys():
            refuse_changed_host(path, name, stored[name], present[name])
    file = Manifest(
        schema=SUITE_SCHEMA,
        id=old.id,
        started_utc=old.started_utc,
        fingerprints=old.fingerprints,
        host=old.host,
        suite=suite,
        cells=cells,
        kernels=booted,
        peers=old.peers | linked,
        arms=armed,
    )
    planned = {trial.number: trial for trial in order.ordered_trials(suite, cells, len(file.hosts))}
    for number, record in suite_folder.read_records(path).items():
        if number in planned and planned[number] != record.trial:
            raise UsageError(f"{path} has a trial {number} from another order ({record.trial.cell}); {RESTORE}")
    clear_leftovers(path)
    return file


RESTORE = "start a new suite without --resume, or restore it."


def refuse_changed_cells(path: Path, old: list[Cell], new: list[Cell]) -> None:
    """Raise UsageError unless two lists of cells have the same names, identities, kernels and order."""
    before, after = ({cell.name: (cell.identity, cell.kernel) for cell in cells} for cells in (old, new))
    for name in before.keys() - after.keys():
        raise UsageError(f"{path} has a cell {name!r} that the suite no longer has; {RESTORE}")
    for name in after.keys() - before.keys():
        raise UsageError(f"The suite has a cell {name!r} that {path} does not have; {RESTORE}")
    for name, identity in before.items():
        if after[name] != identity:
            raise UsageError(f"The cell {name!r} would now do something other than in {path}; {RESTORE}")
    if list(before) != list(after):
        raise UsageError(f"The cells of {path} now come in another order; {RESTORE}")


def refuse_changed_host(path: Path, name: str, old: Fingerprint, new: Fingerprint) -> None:
    """Raise UsageError if a host differs in anything that trials depend on."""
    for what, was, now in fingerprint_differences(old, new):
        raise UsageError(
            f"{path} was started with another {what} on {name}: {was}, and now it is {now}; its trials could not "
            "be compared. Start a new suite without --resume."
        )


def clear_leftovers(path: Path) -> None:
    """Remove the folders of warm-up trials that a killed suite has left."""
    for folder in path.glob(".warm-up-*"):
        shutil.rmtree(folder, ignore_errors=True)
