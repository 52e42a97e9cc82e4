# SPDX-License-Identifier: MIT
"""The profile of a trial of a suite: a run of the same plan under a profiler, in a folder of its own.

No trial: whatever reads the trials of a suite finds it by the record of the trial alone.
"""

from pathlib import Path

from stress.model.errors import StoreError
from stress.model.suite import Trial, TrialRecord
from stress.store.suite_folder import trial_folder

FOLDER = "profile"  # in the folder of a trial


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
    """Return the run folder of the profile of a trial; None where it has none."""
    return trial_folder(path, record.trial) / FOLDER / record.profile if record.profile else None
