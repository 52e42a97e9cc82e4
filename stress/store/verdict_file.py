# SPDX-License-Identifier: MIT
"""verdict.json: what a gate says, for programs. ``make`` turns every failure into 2: read this file instead."""

from pathlib import Path

import msgspec

from stress.model import atomic
from stress.model.errors import StoreError, UsageError
from stress.model.text import json_bytes

VERDICT_SCHEMA = 1
VERDICT_NAME = "verdict.json"


class ConditionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a condition comes to in one row; as in ``stress.analysis.gate.evaluate``.

    Attributes:
        expr: the condition.
        row: where it was looked at.
        state: holds, broken, inconclusive, no-baseline or no-data.
        sentence: the same for people.
        base: median of the base runs.
        new: median of the new runs.
        base_trials: how many there are.
        new_trials: how many there are.
        effect: new / base of times and rates, else new - base.
        low: lower end of its interval.
        high: upper end.
        limit: what the condition allows.
        adjusted_p: corrected for all conditions.
        more_trials: how many more would probably decide.
    """

    expr: str
    row: str
    state: str
    sentence: str
    base: float | None
    new: float | None
    base_trials: int
    new_trials: int
    effect: float | None
    low: float | None
    high: float | None
    limit: float | None
    adjusted_p: float | None
    more_trials: int | None


class VerdictFile(msgspec.Struct, frozen=True, kw_only=True):
    """What verdict.json holds.

    Attributes:
        schema: of this file.
        program: what wrote it.
        verdict: passed, regressed, inconclusive, no-baseline or no-data.
        exit_code: of the gate.
        base: the baseline, as it was named.
        new: what was held against it.
        tests: how many comparisons were corrected together.
        conditions: each with what it came to.
        warnings: sentences.
    """

    schema: int
    program: str
    verdict: str
    exit_code: int
    base: str
    new: str
    tests: int
    conditions: list[ConditionRecord]
    warnings: list[str]


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files of a gate into a folder, each complete or not at all.

    Raises:
        StoreError: they cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            atomic.write(folder / name, data)
    except OSError as error:
        raise StoreError(f"The verdict could not be written to {folder}: {error.strerror}.") from error


def encode(verdict: VerdictFile) -> bytes:
    """Return the file's bytes."""
    return json_bytes(verdict)


def read(path: Path) -> VerdictFile:
    """Read a verdict.json.

    Raises:
        UsageError: it is none, or of another schema.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=VerdictFile)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} is no verdict: {error}.") from error
    if found.schema != VERDICT_SCHEMA:
        raise UsageError(f"{path} has schema {found.schema}, but this connstorm reads {VERDICT_SCHEMA}.")
    return found
