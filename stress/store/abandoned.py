# SPDX-License-Identifier: MIT
"""What killed processes have half-written of a suite: the next resume removes it."""

import shutil
from pathlib import Path

from stress.model import atomic
from stress.store.suite_folder import TRIALS_FOLDER
from stress.store.trial_profile import FOLDER as PROFILE_FOLDER

WARM_UP = ".warm-up-"  # how the folder of trials begins that are discarded


def remove_abandoned(path: Path) -> None:
    """Remove what killed processes have left in a suite folder, whose lock is held, and next to it."""
    patterns = (
        *(f"{WARM_UP}*", ".*.partial"),
        *(f"{TRIALS_FOLDER}/*/.*.partial", f"{TRIALS_FOLDER}/*/{PROFILE_FOLDER}/.*.partial"),
    )
    for left in (left for pattern in patterns for left in path.glob(pattern)):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
    atomic.remove_abandoned(path.parent)
