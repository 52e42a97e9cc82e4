# SPDX-License-Identifier: MIT
"""Planned trials of stored arms: those of suites by their plan, whether they were run or not, and single runs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from stress.model.host import Host
from stress.model.planned import PlannedTrial, TrialState
from stress.model.suite import Cell, Status, TrialRecord
from stress.store import suite_folder
from stress.store.interrupted import explain_interruption
from stress.store.run_folder import RUN_FILE
from stress.store.run_header import read_header
from stress.store.runs import cell_name, split_arm
from stress.store.stored_names import short_name
from stress.store.suite_folder import SUITE_FILE, Manifest

STATES = {
    Status.DONE: TrialState.DONE,
    Status.FAILED: TrialState.FAILED,
    Status.INTERRUPTED: TrialState.INTERRUPTED,
    Status.NOT_APPLICABLE: TrialState.NOT_APPLICABLE,
}


def read_planned_arm(argument: str) -> list[PlannedTrial]:
    """Return the planned trials of a command line argument ``[label=]path[#cell]``; none where there is no such path.

    Raises:
        UsageError: a suite or a run is damaged.
    """
    _, path, cell = split_arm(argument)
    return [trial for trial in read_planned(path) if cell is None or trial.cell == cell]


def read_planned(path: Path) -> list[PlannedTrial]:
    """Return the planned trials of a run folder, a suite folder, or a folder of such folders; none of anything else.

    Raises:
        UsageError: a suite or a run is damaged.
    """
    if (path / RUN_FILE).is_file():
        return [single_run(path)]
    if (path / SUITE_FILE).is_file():
        return list(suite_trials(path))
    inside = sorted(path.iterdir()) if path.is_dir() else []
    stored = [entry for entry in inside if (entry / RUN_FILE).is_file() or (entry / SUITE_FILE).is_file()]
    return [trial for entry in stored for trial in read_planned(entry)]


def single_run(path: Path) -> PlannedTrial:
    """Return a run outside of suites as a planned trial: it is done, or was interrupted."""
    header, reason = read_header(path), explain_interruption(path)
    return PlannedTrial(
        name=short_name(path.name),
        cell=cell_name(header.plan),
        scenario=header.plan.scenario,
        block=None,
        host="",
        state=TrialState.DONE if reason is None else TrialState.INTERRUPTED,
        reason=reason or "",
        run=path,
        plan=header.plan,
        machine=header.host,
    )


def suite_trials(path: Path) -> Iterator[PlannedTrial]:
    """Yield the planned trials of a suite, cell by cell and host by host; those that were run come first.

    Trials beyond the suite's number, of a suite that was resumed with fewer, are read too, so they count as planned.
    """
    file = suite_folder.read(path)
    records = suite_folder.read_records(path).values()
    for cell in file.cells:
        for number, host in enumerate(file.hosts):
            own = [record for record in records if (record.trial.cell, file.host_of(record.trial)) == (cell.name, host)]
            stopped = next((record for record in own if record.status is Status.NOT_APPLICABLE), None)
            blocks = {record.trial.block for record in own}
            rounds = range(number, file.suite.trials * len(file.hosts), len(file.hosts))
            free = [block for block in rounds if block not in blocks][: max(file.suite.trials - len(own), 0)]
            for record in own:
                yield recorded_trial(path, file, cell, record)
            for block in free:
                yield missing_trial(file, cell, host, block, stopped)


def recorded_trial(path: Path, file: Manifest, cell: Cell, record: TrialRecord) -> PlannedTrial:
    """Return a planned trial that has ended."""
    run = suite_folder.trial_run_folder(path, record) if record.run else None
    missing = missing_trial(file, cell, file.host_of(record.trial), record.trial.block, record)
    return replace(missing, name=suite_folder.trial_folder(path, record.trial).name, run=run)


def missing_trial(file: Manifest, cell: Cell, host: str, block: int, record: TrialRecord | None) -> PlannedTrial:
    """Return a planned trial without a run; a record says why there is none."""
    return PlannedTrial(
        name="",
        cell=file.name_on_host(cell.name, host),
        scenario=cell.scenario,
        block=block,
        host=host,
        state=TrialState.MISSING if record is None else STATES[record.status],
        reason=(record.reason or "") if record is not None else "",
        run=None,
        plan=cell.plan,
        machine=machine_of(file, cell, host),
        group=file.id,
        measures=cell.measures,
        baseline=cell.baseline,
        arm=cell.arm,
    )


def machine_of(file: Manifest, cell: Cell, host: str) -> Host:
    """Return what a trial of a cell runs on; of a kernel that did not boot only its name in the suite is known."""
    fingerprint = file.fingerprint(cell, host)
    if fingerprint is not None:
        return fingerprint.host
    return msgspec.structs.replace(file.fingerprints[host].host, kernel=cell.kernel)


def trial_name(path: Path) -> str:
    """Return what to call the run of a run folder: in a suite the folder of its trial, else its short name."""
    home = path.parent
    return home.name if home.parent.name == suite_folder.TRIALS_FOLDER else short_name(path.name)
