# SPDX-License-Identifier: MIT
"""The suite folder: what is to be done, and the folder of each trial that was.

results/<UTC>-suite-<name>-<id>/
suite.json                 the suite, its cells, the host
suite.toml                 the file that it was made from, if any
trials/0007-closewait/     a trial, by its place in the order
  trial.json               how it ended; its presence says that it has ended
  <run folder>/            when it is done
index.json                 all of these in one list, written anew whenever the suite stops
"""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from stress.model import atomic
from stress.model.errors import StoreError, UsageError
from stress.model.kernel import HOST
from stress.model.suite import Cell, Fingerprint, Suite, Trial, TrialRecord
from stress.model.text import json_bytes, slug

SUITE_SCHEMA = 1
SUITE_FILE, SOURCE_FILE, TRIALS_FOLDER, TRIAL_FILE, INDEX_FILE = (
    "suite.json",
    "suite.toml",
    "trials",
    "trial.json",
    "index.json",
)
SLUG_MAX = 80

Struct = TypeVar("Struct", bound=msgspec.Struct)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What suite.json holds.

    Attributes:
        schema: of this file and of trial.json.
        id: of this folder.
        started_utc: when it was made.
        fingerprints: of each host, by its name, as it was then; its stored key is ``attestations``.
        host: whether trials run on the host's own network stack.
        suite: what the file says.
        cells: the cells that it stands for.
        kernels: what kernels that are booted said of themselves, by the suite's names for them; without those that
            did not boot.
    """

    schema: int
    id: str
    started_utc: str
    fingerprints: dict[str, Fingerprint] = msgspec.field(name="attestations")
    host: bool
    suite: Suite
    cells: list[Cell]
    kernels: dict[str, Fingerprint] = {}

    @property
    def hosts(self) -> list[str]:
        """The names of the hosts; each runs every cell as many times as the suite has trials."""
        return list(self.fingerprints)

    def host_of(self, trial: Trial) -> str:
        """Return which host runs a trial: blocks go round."""
        return self.hosts[trial.block % len(self.hosts)]

    def name_on_host(self, name: str, host: str) -> str:
        """Return what a cell or an entry is called on a host: where there are several, each host has its own.

        Hosts are never pooled: those that were bought as identical differ (Maricq et al., OSDI 2018).
        """
        return name if len(self.fingerprints) == 1 else f"{name} on {host}"

    def round_of(self, trial: Trial) -> int:
        """Return which of its host's blocks a trial belongs to."""
        return trial.block // len(self.hosts)

    def fingerprint(self, cell: Cell, host: str) -> Fingerprint | None:
        """Return what is known of where a cell's trials run: a host, or a kernel; None when that did not boot."""
        return self.fingerprints[host] if cell.kernel == HOST else self.kernels.get(cell.kernel)

    def cell(self, name: str) -> Cell:
        """Return a cell by its name."""
        return next(cell for cell in self.cells if cell.name == name)


def create(file: Manifest, text: str | None, results: Path) -> Path:
    """Make a suite folder and return its path; ``text`` is of the suite's file, None when a program made the suite.

    Raises:
        StoreError: it cannot be written.
    """
    started = datetime.fromisoformat(file.started_utc)
    final = results / f"{started:%Y%m%dT%H%M%SZ}-suite-{slug(file.suite.name, SLUG_MAX)}-{file.id}"
    try:
        with atomic.open_folder(final) as folder:
            (folder / TRIALS_FOLDER).mkdir()
            if text is not None:
                (folder / SOURCE_FILE).write_text(text)
            write_json(folder / SUITE_FILE, file)
    except OSError as error:
        raise StoreError(f"The suite could not be written to {final}: {error.strerror}.") from error
    return final


def write_manifest(path: Path, file: Manifest) -> None:
    """Write suite.json anew: the number of trials may have changed.

    Raises:
        StoreError: it cannot be written; the old one stays.
    """
    write_json(path / SUITE_FILE, file)


def read(path: Path) -> Manifest:
    """Read suite.json of a suite folder.

    Raises:
        UsageError: it is none, or of a schema that cannot be read.
    """
    try:
        document = msgspec.json.decode((path / SUITE_FILE).read_bytes())
    except OSError as error:
        raise UsageError(f"{path} is not a suite folder: {SUITE_FILE} cannot be read ({error.strerror}).") from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{path / SUITE_FILE} is not JSON: {error}. The file is damaged.") from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SUITE_SCHEMA:
        raise UsageError(
            f"{path / SUITE_FILE} has schema {schema!r}, but this connstorm reads {SUITE_SCHEMA}; "
            "use the one that wrote it."
        )
    return convert(document, Manifest, path / SUITE_FILE)


def find_latest(results: Path, name: str) -> Path:
    """Return the newest folder of a suite of this name.

    Raises:
        UsageError: there is none.
    """
    found = sorted(results.glob(f"*-suite-{slug(name, SLUG_MAX)}-??????/{SUITE_FILE}"))
    if not found:
        raise UsageError(f"There is no suite {name} under {results} to go on with; leave out --resume.")
    return found[-1].parent


def begin_trial(path: Path, trial: Trial) -> Path:
    """Make the folder of a trial anew, without what an earlier try has left there; return it.

    Raises:
        StoreError: it cannot be made.
    """
    home = trial_folder(path, trial)
    try:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
    except OSError as error:
        raise StoreError(f"{home} could not be made: {error.strerror}; make room and go on with --resume.") from error
    return home


def finish_trial(path: Path, record: TrialRecord) -> None:
    """Write that a trial has ended.

    Raises:
        StoreError: the disk is full; the trial then counts as not run.
    """
    write_json(trial_folder(path, record.trial) / TRIAL_FILE, record)


def read_records(path: Path) -> dict[int, TrialRecord]:
    """Return how each trial ended that has, by its number, in the order of numbers.

    Raises:
        UsageError: one of them is damaged.
    """
    found = [read_record(file) for file in sorted(path.glob(f"{TRIALS_FOLDER}/*/{TRIAL_FILE}"))]
    return {record.trial.number: record for record in sorted(found, key=lambda record: record.trial.number)}


def trial_run_folder(path: Path, record: TrialRecord) -> Path:
    """Return the run folder of a trial that is done."""
    assert record.run is not None
    return trial_folder(path, record.trial) / record.run


def write_index(path: Path, found: dict[int, TrialRecord]) -> None:
    """Write the list of all trials that have ended, each with its folder."""
    rows = [
        {"folder": str(trial_folder(path, record.trial).relative_to(path))} | msgspec.to_builtins(record)
        for record in found.values()
    ]
    write_json(path / INDEX_FILE, {"schema": SUITE_SCHEMA, "trials": rows})


def trial_folder(path: Path, trial: Trial) -> Path:
    """Return where a trial's folder is."""
    return path / TRIALS_FOLDER / f"{trial.number:04d}-{slug(trial.cell, SLUG_MAX)}"


def read_record(file: Path) -> TrialRecord:
    """Read one trial.json."""
    try:
        return convert(msgspec.json.decode(file.read_bytes()), TrialRecord, file)
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}; remove it, and --resume runs that trial again.") from error


def convert(document: Any, kind: type[Struct], file: Path) -> Struct:
    """Return a document as what it should be."""
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"{file} does not follow schema {SUITE_SCHEMA}: {error}.") from error


def write_json(file: Path, document: Any) -> None:
    """Write a JSON file, complete or not at all."""
    try:
        atomic.write(file, json_bytes(document))
    except OSError as error:
        raise StoreError(
            f"{file} could not be written: {error.strerror}; make room and go on with --resume."
        ) from error
