# SPDX-License-Identifier: MIT
"""The run folder: written completely or not at all, and checked against its hashes when it is read."""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np

from stress.model import atomic
from stress.model.attempt import ATTEMPT, USE
from stress.model.errors import StoreError, UsageError
from stress.model.flow import FLOW, no_flows
from stress.model.progress import ProgressCallback, ignore_progress
from stress.model.record import Record
from stress.model.run import KERNEL_EVENT, MINE, Run, no_events, no_uses
from stress.model.summary import Summary
from stress.store import stored_names
from stress.store.array_file import open_array, write_array
from stress.store.digest import has_own_hash, hashed_json
from stress.store.run_schema import SCHEMA, RunFile, decode_run, mine_dtype, upgrade_mines

Writers = Mapping[str, Callable[[Path], None]]
RUN_FILE, ATTEMPTS_FILE, USES_FILE = stored_names.RUN_FILE, "attempts.npy", "uses.npy"
MINES_FILE, EVENTS_FILE, FLOWS_FILE = "mines.npy", "kernel_events.npy", "flows.npy"


def folder_name(record: Record) -> str:
    """Return the folder name of a run: its start, its scenario and its id."""
    started = datetime.fromisoformat(record.started_utc)
    return f"{started:%Y%m%dT%H%M%SZ}-{record.plan.scenario}-{record.id}"


def check_writable(results: Path) -> None:
    """Make a folder and check that runs can be written to it, before anything is measured.

    What killed processes have left there of their runs is removed.

    Raises:
        StoreError: it cannot be made or written to.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another process took it for abandoned
            Path(tempfile.mkdtemp(prefix=".probe-", suffix=".partial", dir=results)).rmdir()
        atomic.remove_abandoned(results)
    except OSError as error:
        raise StoreError(
            f"Results cannot be written to {results}: {error.strerror}; choose a folder with --output."
        ) from error


def write(
    run: Run,
    summary: Summary,
    results: Path,
    writers: Writers | None = None,
    *,
    figures: Writers | None = None,
    notify: ProgressCallback = ignore_progress,
) -> Path:
    """Write a run as a new folder under ``results`` and return its path.

    Args:
        run: the run.
        summary: its summary.
        results: the folder of all runs.
        writers: for each further file, by name, a function that writes it to a path.
        figures: the same for files without which the run is whole, and can be made again: where one cannot be written,
            it and those after it are left out.
        notify: told of that.

    Raises:
        StoreError: the disk is full, or the folder cannot be written.
    """
    final = results / folder_name(run.record)
    try:
        with atomic.open_folder(final) as folder:
            write_array(folder / ATTEMPTS_FILE, run.attempts)
            if len(run.uses):
                write_array(folder / USES_FILE, run.uses)
            if len(run.mines):
                write_array(folder / MINES_FILE, run.mines)
            if len(run.events):
                write_array(folder / EVENTS_FILE, run.events)
            if len(run.flows):
                write_array(folder / FLOWS_FILE, run.flows)
            for file, writer in (writers or {}).items():
                writer(folder / file)
            write_figures(folder, figures or {}, notify)
            try:
                write_document(folder, run, summary)
            except OSError:  # figures took the last room
                if not remove_figures(folder, figures or {}):
                    raise
                notify("without figures, for which there is no room; connstorm plot draws them again")
                write_document(folder, run, summary)
    except OSError as error:
        raise StoreError(f"The run could not be written to {final}: {error.strerror}; nothing was stored.") from error
    return final


def write_document(folder: Path, run: Run, summary: Summary) -> None:
    """Write run.json, with the hashes of all files that are there."""
    file = folder / RUN_FILE
    file.unlink(missing_ok=True)  # of a try that had no room
    document = RunFile(
        schema=SCHEMA,
        summary=summary,
        files={path.name: file_hash(path) for path in sorted(folder.iterdir())},
        **{field: getattr(run.record, field) for field in Record.__struct_fields__},
    )
    file.write_bytes(hashed_json(document))


def remove_figures(folder: Path, figures: Writers) -> bool:
    """Remove those figures that are there; return whether there were any."""
    drawn = [folder / file for file in figures if (folder / file).exists()]
    for path in drawn:
        path.unlink()
    return bool(drawn)


def write_figures(folder: Path, figures: Writers, notify: ProgressCallback) -> None:
    """Write figures as far as there is room for them; ``notify`` is told why some are missing."""
    for file, writer in figures.items():
        try:
            writer(folder / file)
        except OSError as error:
            (folder / file).unlink(missing_ok=True)
            notify(f"without {file}, which could not be written: {error.strerror}; connstorm plot draws it again")
            return


def read(folder: Path) -> tuple[Run, Summary]:
    """Read a run folder; its arrays are memory-mapped.

    Raises:
        UsageError: it is not a run folder, its schema cannot be read, or its arrays are missing, truncated or modified.
    """
    try:
        data = (folder / RUN_FILE).read_bytes()
    except OSError as error:
        raise UsageError(f"{folder} is not a run folder: {RUN_FILE} cannot be read ({error.strerror}).") from error
    document, schema = decode_run(data, str(folder / RUN_FILE))
    if document.digest is not msgspec.UNSET and not has_own_hash(data):
        raise UsageError(f"{folder / RUN_FILE} is not what was written: it is changed; copy it again, or run again.")
    for file in (ATTEMPTS_FILE, USES_FILE, MINES_FILE, EVENTS_FILE, FLOWS_FILE):
        if file in document.files:
            check_hash(folder / file, document.files[file])
    attempts = open_array(folder / ATTEMPTS_FILE, ATTEMPT)
    mines = np.zeros(0, MINE)
    if MINES_FILE in document.files:
        mines = upgrade_mines(open_array(folder / MINES_FILE, mine_dtype(schema)), attempts, schema)
    record = Record(**{field: getattr(document, field) for field in Record.__struct_fields__})
    events = open_array(folder / EVENTS_FILE, KERNEL_EVENT) if EVENTS_FILE in document.files else no_events()
    uses = open_array(folder / USES_FILE, USE) if USES_FILE in document.files else no_uses()
    flows = open_array(folder / FLOWS_FILE, FLOW) if FLOWS_FILE in document.files else no_flows()
    return Run(record, attempts, mines, events, uses, flows), document.summary


def read_summary(folder: Path) -> Summary:
    """Read only the summary of a run folder; errors as of ``read_document``."""
    return read_document(folder).summary


def read_document(folder: Path) -> RunFile:
    """Read only the run.json of a run folder.

    Raises:
        UsageError: it is not a run folder, or its schema cannot be read.
    """
    try:
        data = (folder / RUN_FILE).read_bytes()
    except OSError as error:
        raise UsageError(f"{folder} is not a run folder: {RUN_FILE} cannot be read ({error.strerror}).") from error
    return decode_run(data, str(folder / RUN_FILE))[0]


def read_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each other file of a run folder, by its name; errors as of ``read_document``."""
    return read_document(folder).files


def check_hash(file: Path, expected: str) -> None:
    """Raise UsageError unless a file has the SHA-256 that it had when it was written."""
    try:
        actual = file_hash(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from error
    if actual != expected:
        raise UsageError(
            f"{file} is not what was written ({file.stat().st_size:,} bytes): it is cut short or changed; "
            "copy it again, or run again."
        )


def file_hash(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
