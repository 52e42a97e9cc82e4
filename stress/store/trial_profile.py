# SPDX-License-Identifier: MIT
"""The profile of a trial of a suite: a run of the same plan under a profiler, in a folder of its own.

No trial: whatever reads the trials of a suite finds it by the record of the trial alone.
"""

from pathlib import Path
from typing import Any

import msgspec

from stress.model.errors import StoreError
from stress.model.json_text import decode_json
from stress.model.suite import Cell, Status, Trial, TrialRecord
from stress.store.json_parts import RUN_FILE, ProfiledPart
from stress.store.suite_folder import trial_folder

FOLDER = "profile"  # in the folder of a trial
NOT_WANTED = "They ran before profile = true was set."
GONE = "The folders of their profiles are no longer there."


def begin_profile(path: Path, trial: Trial) -> Path:
    """Make the folder for the profile of a trial of a suite folder; return it.

    Raises:
        StoreError: it cannot be made.
    """
    folder = trial_folder(path, trial) / FOLDER
    try:
        folder.mkdir()
    except OSError as error:
        raise StoreError(
            f"{folder} could not be made: {error.strerror}; make room and resume with --resume."
        ) from error
    return folder


def profile_run(path: Path, record: TrialRecord) -> Path | None:
    """Return the run folder of the profile of a trial; None where it has none, or has it no longer."""
    folder = trial_folder(path, record.trial) / FOLDER / record.profile if record.profile else None
    return folder if folder is not None and (folder / RUN_FILE).is_file() else None


def unprofiled_reason(path: Path, cell: Cell, record: TrialRecord) -> str:
    """Return in a sentence why a trial of a suite folder has no profile; "" where it has one, or should have none.

    That is so of trials that are not done, and of those of cells that are not profiled.
    """
    if record.status is not Status.DONE or record.unprofiled:
        return record.unprofiled
    if record.profile is None:
        return NOT_WANTED if cell.profile else ""
    run = profile_run(path, record)
    return GONE if run is None else profile_failure(run)


def profile_fields(path: Path, cell: Cell, record: TrialRecord) -> dict[str, Any]:
    """Return the fields of an observation that say where the profile of a trial is, and why one is missing."""
    return {"profile": profile_run(path, record), "unprofiled": unprofiled_reason(path, cell, record)}


def profile_failure(run: Path) -> str:
    """Return why a profiled run has no stacks, in a sentence; "" where it has some, or cannot be read."""
    try:
        profiled = decode_json((run / RUN_FILE).read_bytes(), ProfiledPart).profiled
    except (OSError, msgspec.DecodeError):  # whoever reads all of it says what is wrong
        return ""
    return "" if profiled is None else profiled.failure
