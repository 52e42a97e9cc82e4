# SPDX-License-Identifier: MIT
"""verdict.json: the result of a gate, for programs. ``make`` exits with 2 on every failure: read this file instead."""

from pathlib import Path

import msgspec

from stress.model import atomic
from stress.model.errors import StoreError, UsageError
from stress.model.json_text import decode_json
from stress.model.text import json_bytes

VERDICT_SCHEMA = 1
VERDICT_NAME = "verdict.json"


class ConditionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a condition in one row, as in ``stress.analysis.gate.evaluate``.

    Attributes:
        expr: the condition.
        row: the row that it was evaluated in.
        state: holds, broken, inconclusive, no-baseline or no-data.
        sentence: the same as a sentence.
        base: median of the base runs.
        new: median of the new runs.
        base_trials: number of base runs.
        new_trials: number of new runs.
        effect: new / base for times and rates, else new - base.
        low: lower end of its interval.
        high: upper end.
        limit: the limit of the condition.
        adjusted_p: p-value, corrected for all conditions.
        more_trials: number of further trials that would probably decide.
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
    """The contents of verdict.json.

    Attributes:
        schema: schema number of this file.
        program: name and version of the program that wrote it.
        verdict: passed, regressed, inconclusive, no-baseline or no-data.
        exit_code: exit code of the gate.
        base: the baseline, as the user named it.
        new: the runs that were compared with it.
        tests: number of comparisons that were corrected together.
        conditions: the result of each condition in each row.
        warnings: warnings, each a sentence.
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
    """Write the files of a gate into a folder, each atomically.

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
    """Return verdict.json as bytes."""
    return json_bytes(verdict)


def read(path: Path) -> VerdictFile:
    """Read a verdict.json.

    Raises:
        UsageError: it is not a verdict.json, or has another schema.
    """
    try:
        verdict = decode_json(path.read_bytes(), VerdictFile)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} is not a verdict: {error}.") from error
    if verdict.schema != VERDICT_SCHEMA:
        raise UsageError(f"{path} has schema {verdict.schema}, but this connstorm reads {VERDICT_SCHEMA}.")
    return verdict
