# SPDX-License-Identifier: MIT
"""How a suite begins: anew, or where it was left."""

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

from stress.model.errors import UsageError
from stress.model.kernel import HOST
from stress.model.progress import Notify, silent
from stress.model.suite import Cell, Fingerprint, Suite
from stress.run.fingerprint import fingerprint_differences
from stress.store import suite_folder
from stress.store.suite_folder import SUITE_SCHEMA, SuiteFile
from stress.storm.check import plan_rules
from stress.suite import kernels, matrix, order
from stress.suite.applicability import refuse_host_settings
from stress.suite.executor.base import Executor
from stress.suite.scheduler import clear_leftovers


def begin_suite(
    suite: Suite, executor: Executor, notify: Notify = silent, *, host: bool, boot: bool = True
) -> SuiteFile:
    """Return what is to be done, with what each host says of itself.

    Args:
        suite: what is to be run.
        executor: what carries the trials out.
        notify: is told what is done.
        host: run on the host's own network stack.
        boot: ask the kernels that are to be booted; else nothing is known of them.

    Raises:
        UsageError: the suite has no cell, or asks for what may not be here.
        LabError: a host does not answer.
    """
    cells = matrix.build_cells(suite, host=host)
    for cell in cells:
        if wrong := list(plan_rules.plan_faults(cell.plan)):
            raise UsageError(f"The cell {cell.name!r} cannot be: {' '.join(wrong)}")
    if host and os.geteuid() != 0:
        raise UsageError("--host changes settings of this host, which only root may; run it as root, or leave it out.")
    attestations = {name: executor.fingerprint(name) for name in executor.hosts}
    for attestation in attestations.values():
        refuse_host_settings([cell for cell in cells if cell.kernel == HOST], attestation, host=host)
    return SuiteFile(
        schema=SUITE_SCHEMA,
        id=secrets.token_hex(3),
        started_utc=datetime.now(UTC).isoformat(timespec="milliseconds"),
        fingerprints=attestations,
        host=host,
        suite=suite,
        cells=cells,
        kernels=kernels.boot_fingerprints(cells, executor, notify, host=host) if boot else {},
    )


def resume_suite(path: Path, suite: Suite, executor: Executor, notify: Notify = silent, *, host: bool) -> SuiteFile:
    """Return what is to be done in a suite folder, the number of trials as the suite now has it.

    Raises:
        UsageError: the suite, the program or the host differs in what the trials so far depend on.
        LabError: a host does not answer.
    """
    old = suite_folder.read(path)
    cells = matrix.build_cells(suite, host=old.host)
    if host and not old.host:
        raise UsageError(f"{path} was begun without --host; leave it out, or begin anew without --resume.")
    refuse_changed_cells(path, old.cells, cells)
    for name, was, now in (
        ("seed", old.suite.seed, suite.seed),
        ("settle_s", old.suite.settle_s, suite.settle_s),
        ("hosts", sorted(old.fingerprints), sorted(executor.hosts)),
    ):
        if was != now:
            raise UsageError(f"{path} was begun with {name} {was}, and now it is {now}; {ANEW}")
    for name in executor.hosts:
        refuse_changed_host(path, name, old.fingerprints[name], executor.fingerprint(name))
    booted = kernels.boot_fingerprints(cells, executor, notify, host=old.host)
    for name in booted.keys() & old.kernels.keys():
        refuse_changed_host(path, name, old.kernels[name], booted[name])
    file = SuiteFile(
        schema=SUITE_SCHEMA,
        id=old.id,
        started_utc=old.started_utc,
        fingerprints=old.fingerprints,
        host=old.host,
        suite=suite,
        cells=cells,
        kernels=booted,
    )
    planned = {trial.number: trial for trial in order.ordered_trials(suite, cells, len(file.hosts))}
    for number, record in suite_folder.records(path).items():
        if number in planned and planned[number] != record.trial:
            raise UsageError(f"{path} has a trial {number} of another order ({record.trial.cell}); {ANEW}")
    clear_leftovers(path)
    return file


ANEW = "begin anew without --resume, or put it back."


def refuse_changed_cells(path: Path, old: list[Cell], new: list[Cell]) -> None:
    """Raise UsageError unless two lists of cells do the same."""
    before, after = ({cell.name: (cell.identity, cell.kernel) for cell in cells} for cells in (old, new))
    for name in before.keys() - after.keys():
        raise UsageError(f"{path} has a cell {name!r} that the suite no longer has; {ANEW}")
    for name in after.keys() - before.keys():
        raise UsageError(f"The suite has a cell {name!r} that {path} was begun without; {ANEW}")
    for name, identity in before.items():
        if after[name] != identity:
            raise UsageError(f"The cell {name!r} would now do something else than in {path}; {ANEW}")
    if list(before) != list(after):
        raise UsageError(f"The cells of {path} come in another order now; {ANEW}")


def refuse_changed_host(path: Path, name: str, old: Fingerprint, new: Fingerprint) -> None:
    """Raise UsageError unless a host is what it was."""
    for what, was, now in fingerprint_differences(old, new):
        raise UsageError(
            f"{path} was begun with another {what} on {name}: {was}, and now it is {now}; its trials would not "
            "be of one kind. Begin anew without --resume."
        )
