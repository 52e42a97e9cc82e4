# SPDX-License-Identifier: MIT
"""The history folder: runs and suites without their arrays, small enough for a repository.

What is copied is their JSON files, and the stacks of profiles, without which nobody could say later what a step came
from.
"""

from pathlib import Path

import msgspec

from stress.model import atomic
from stress.model.errors import StoreError, UsageError
from stress.model.json_text import decode_json
from stress.store import profile_file, trial_profile
from stress.store.run_folder import RUN_FILE
from stress.store.suite_folder import SUITE_FILE, TRIAL_FILE, TRIALS_FOLDER

RUN_FILES = (RUN_FILE, profile_file.NAME)
SUITE_PATTERNS = (
    SUITE_FILE,
    f"{TRIALS_FOLDER}/*/{TRIAL_FILE}",
    f"{TRIALS_FOLDER}/*/*/{RUN_FILE}",
    *(f"{TRIALS_FOLDER}/*/{trial_profile.FOLDER}/*/{name}" for name in RUN_FILES),
)


def copy_to_history(source: Path, history: Path) -> Path:
    """Copy a run folder or a suite folder without its arrays, JSON without whitespace, into a history; return the copy.

    Raises:
        UsageError: the source is neither, or the history has a folder of that name, or a file is damaged.
        StoreError: the history cannot be written.
    """
    source = source.resolve()
    if (source / RUN_FILE).is_file():
        files = [source / name for name in RUN_FILES if (source / name).is_file()]
    elif (source / SUITE_FILE).is_file():
        files = sorted(file for pattern in SUITE_PATTERNS for file in source.glob(pattern))
    else:
        raise UsageError(f"{source} is neither a run folder nor a suite folder; nothing was copied.")
    final = history / source.name
    if final.exists():
        raise UsageError(f"{history} has {source.name} already; nothing was copied.")
    try:
        copies = {file.relative_to(source): copied_bytes(file) for file in files}
        with atomic.open_folder(final) as folder:
            for place, data in copies.items():
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                (folder / place).write_bytes(data)
    except OSError as error:
        raise StoreError(f"{source} could not be copied to {final}: {error.strerror}; nothing was copied.") from error
    return final


def copied_bytes(file: Path) -> bytes:
    """Return the contents of a file as a history has it.

    Raises:
        UsageError: it is damaged: a history cannot be read with stacks that are no stacks.
    """
    if file.name != profile_file.NAME:
        return compact_json(file)
    profile_file.read(file.parent)
    return file.read_bytes()


def compact_json(file: Path) -> bytes:
    """Return the contents of a JSON file without whitespace.

    Raises:
        UsageError: it is not JSON.
    """
    data = file.read_bytes()
    try:
        decode_json(data)
    except msgspec.DecodeError as error:
        raise UsageError(f"{file} is not JSON: {error}; it is damaged, and nothing was copied.") from error
    return msgspec.json.format(data, indent=-1) + b"\n"
