# SPDX-License-Identifier: MIT
"""verdict.json: the result of a gate, for programs. ``make`` exits with 2 on every failure: read this file instead."""

from contextlib import suppress
from pathlib import Path

import msgspec

from stress.model import atomic
from stress.model.errors import StoreError, UsageError
from stress.model.json_text import decode_json
from stress.model.text import json_bytes, slug
from stress.store.runs import split_label
from stress.store.stored_names import short_name

VERDICT_SCHEMA = 2
VERDICT_NAME, JUNIT_NAME, SUMMARY_NAME = "verdict.json", "junit.xml", "summary.md"
FOLDER = "gate"  # inside the folder of all runs
NAME_MAX = 100


class TrialRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A new trial that breaks a condition by itself, or that has no value for it.

    Attributes:
        trial: the name of its folder in the suite, the short name of a run outside of suites; "" where it was not run.
        cell: the name of its cell.
        value: of the metric; None without one.
        causes: of its attempts that were slow or failed, with their counts.
        state: what became of it: done, failed, interrupted, not run, not applicable, without a value.
        reason: of a state other than done.
    """

    trial: str
    cell: str = ""
    value: float | None = None
    causes: dict[str, int] = {}
    state: str = "done"
    reason: str = ""


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
        held_back: why it is inconclusive whatever the numbers are; None otherwise.
        planned: number of trials that the new runs were to have here; 0 where that is not known.
        breaking: the new trials that do not hold to the condition, each by itself.
        absent: the planned ones that have no value.
        allowed: whether it has no data, and that was allowed.
        unit: what one value stands for: block, trial or session; ``base_trials`` and the like count these.
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
    held_back: str | None = None
    planned: int = 0
    breaking: list[TrialRecord] = []
    absent: list[TrialRecord] = []
    allowed: bool = False
    unit: str = "trial"


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
        allowed: what was wrong, and was allowed by an option: ``missing 2``.
        error: why nothing was evaluated; None where it was.
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
    allowed: list[str] = []
    error: str | None = None


def gate_folder(results: Path, new: str) -> Path:
    """Return the folder for the files of a gate: its own for each name of new runs, ``[label=]path[#cell]``."""
    _, rest = split_label(new)
    where, sharp, cell = rest.partition("#")
    name = short_name(Path(where).resolve().name)  # with its time it would be listed as a suite
    return results / FOLDER / (slug(f"{name}-{cell}" if sharp else name, NAME_MAX) or "new")


def open_gate_folder(folder: Path) -> None:
    """Make the folder for the files of a gate, without those of an earlier one: none may be taken for the next.

    Raises:
        StoreError: it cannot be made, or an old file not be removed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_files(folder)
    except OSError as error:
        raise StoreError(unwritten(folder, error)) from error


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files of a gate into its folder, each atomically: all of them or none.

    Raises:
        StoreError: they cannot be written.
    """
    try:
        for name, data in files.items():
            atomic.write(folder / name, data)
    except OSError as error:
        with suppress(OSError):
            remove_files(folder)
        raise StoreError(unwritten(folder, error)) from error


def remove_files(folder: Path) -> None:
    """Remove the files of a gate, the verdict first."""
    for name in (VERDICT_NAME, JUNIT_NAME, SUMMARY_NAME):
        (folder / name).unlink(missing_ok=True)
    atomic.flush_folder(folder)


def unwritten(folder: Path, error: OSError) -> str:
    """Return that the verdict could not be written."""
    return f"The verdict could not be written to {folder}: {error.strerror}; choose another folder with --write."


def encode(verdict: VerdictFile) -> bytes:
    """Return verdict.json as bytes."""
    return json_bytes(verdict)


def read(path: Path) -> VerdictFile:
    """Read a verdict.json of this schema, or of an earlier one: what that did not store has the value for unknown.

    Raises:
        UsageError: it is not a verdict.json, or its schema is newer.
    """
    try:
        verdict = decode_json(path.read_bytes(), VerdictFile)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} is not a verdict: {error}.") from error
    if not 1 <= verdict.schema <= VERDICT_SCHEMA:
        raise UsageError(f"{path} has schema {verdict.schema}, but this connstorm reads up to {VERDICT_SCHEMA}.")
    return verdict
