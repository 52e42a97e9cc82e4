# SPDX-License-Identifier: MIT
"""Runs that were interrupted: ended before their plan was, by a signal or the loss of the other host."""

from contextlib import suppress
from pathlib import Path

import msgspec

from stress.model.json_text import decode_json
from stress.model.suite import Status, TrialRecord
from stress.store.json_parts import RUN_FILE, RunPart


def explain_interruption(run: Path) -> str | None:
    """Return that a stored run was interrupted, and after how many attempts; None where it was not.

    Nothing is said of a folder whose run.json cannot be read: whoever reads all of it says what is wrong.
    """
    with suppress(OSError, msgspec.DecodeError):
        part = decode_json((run / RUN_FILE).read_bytes(), RunPart)
        if part.interrupted:
            planned = f" of {part.plan.attempts:,}" if part.plan.attempts and not part.plan.acts else ""
            return f"it was interrupted after {part.summary.attempts:,}{planned} attempts"
    return None


def unless_interrupted(record: TrialRecord, folder: Path) -> TrialRecord:
    """Return the record of a trial in its folder: not as done if its run was interrupted."""
    reason = explain_interruption(folder / record.run) if record.status is Status.DONE and record.run else None
    return record if reason is None else msgspec.structs.replace(record, status=Status.INTERRUPTED, reason=reason)
