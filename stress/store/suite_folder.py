# SPDX-License-Identifier: MIT
"""The suite folder: the suite, and a folder per trial.

results/<UTC>-suite-<name>-<id>/
suite.json                 the suite, its cells, the host
suite.toml                 the source file of the suite, if any
trials/0007-closewait/     a trial, by its place in the order
  trial.json               its result; the file exists once the trial has ended
  <run folder>/            of a trial that is done
  profile/<run folder>/    of the same plan under a profiler, where the cell is profiled: no trial
index.json                 a list of all trials, rewritten whenever the suite stops
"""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from stress.model import atomic
from stress.model.errors import StoreError, UsageError
from stress.model.json_text import decode_json
from stress.model.kernel import HOST
from stress.model.suite import TRIALS_MAX, Cell, Fingerprint, Suite, Trial, TrialRecord
from stress.model.text import json_bytes, slug
from stress.store.interrupted import unless_interrupted

SUITE_SCHEMA = 1
SUITE_FILE, SOURCE_FILE, INDEX_FILE = "suite.json", "suite.toml", "index.json"
TRIALS_FOLDER, TRIAL_FILE = "trials", "trial.json"
SLUG_MAX = 80

Struct = TypeVar("Struct", bound=msgspec.Struct)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of suite.json.

    Attributes:
        schema: schema number of this file and of trial.json.
        id: id of this folder.
        started_utc: when the folder was made.
        fingerprints: the fingerprint of each host at that time, by host name; the stored key is ``attestations``.
        host: whether trials run on the host's own network stack.
        suite: the contents of the suite file.
        cells: the cells of its matrix.
        kernels: the fingerprint of each booted kernel, by its name in the suite; without kernels that did not boot.
        peers: the fingerprint of each host across a link, by its name in the suite; without those that did not answer.
        arms: the fingerprint of each arm that is another connstorm, by the name of the arm.
    """

    schema: int
    id: str
    started_utc: str
    fingerprints: dict[str, Fingerprint] = msgspec.field(name="attestations")
    host: bool
    suite: Suite
    cells: list[Cell]
    kernels: dict[str, Fingerprint] = {}
    peers: dict[str, Fingerprint] = {}
    arms: dict[str, Fingerprint] = {}

    def __post_init__(self) -> None:
        if not self.fingerprints or len(self.cells) * self.suite.trials > TRIALS_MAX:
            hosts, cells = len(self.fingerprints), len(self.cells)
            raise ValueError(f"no suite has {self.suite.trials:,} trials of {cells:,} cells on {hosts:,} hosts")

    @property
    def hosts(self) -> list[str]:
        """The names of the hosts; each runs every cell as many times as the suite has trials."""
        return list(self.fingerprints)

    def host_of(self, trial: Trial) -> str:
        """Return the host that runs a trial: blocks are assigned to hosts in turn."""
        return self.hosts[trial.block % len(self.hosts)]

    def name_on_host(self, name: str, host: str) -> str:
        """Return the name of a cell or an entry on a host: with several hosts, each has cells of its own.

        Hosts are never pooled: even machines that were bought as identical differ (Maricq et al., OSDI 2018).
        """
        return name if len(self.fingerprints) == 1 else f"{name} on {host}"

    def round_of(self, trial: Trial) -> int:
        """Return the number of a trial's block among the blocks of its host."""
        return trial.block // len(self.hosts)

    def fingerprint(self, cell: Cell, host: str) -> Fingerprint | None:
        """Return the fingerprint of the host, kernel or connstorm of a cell; None for a kernel that did not boot."""
        running = self.arms.get(cell.arm) or self.fingerprints[host]
        return running if cell.kernel == HOST else self.kernels.get(cell.kernel)

    def cell(self, name: str) -> Cell:
        """Return the cell of a name."""
        return next(cell for cell in self.cells if cell.name == name)


def create(manifest: Manifest, text: str | None, results: Path) -> Path:
    """Make a suite folder and return its path; ``text`` is the source file, or None when a program made the suite.

    Raises:
        StoreError: it cannot be written.
    """
    started = datetime.fromisoformat(manifest.started_utc)
    final = results / f"{started:%Y%m%dT%H%M%SZ}-suite-{slug(manifest.suite.name, SLUG_MAX)}-{manifest.id}"
    try:
        with atomic.open_folder(final) as folder:
            (folder / TRIALS_FOLDER).mkdir()
            if text is not None:
                (folder / SOURCE_FILE).write_text(text)
            write_json(folder / SUITE_FILE, manifest)
    except OSError as error:
        raise StoreError(f"The suite could not be written to {final}: {error.strerror}.") from error
    return final


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Replace suite.json, for example when the number of trials has changed.

    Raises:
        StoreError: it cannot be written; the old one is unchanged.
    """
    write_json(path / SUITE_FILE, manifest)


def read(path: Path) -> Manifest:
    """Read suite.json of a suite folder.

    Raises:
        UsageError: it is not a suite folder, or its schema cannot be read.
    """
    try:
        document = decode_json((path / SUITE_FILE).read_bytes())
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
    """Return the newest suite folder of a suite of this name.

    Raises:
        UsageError: there is none.
    """
    files = sorted(results.glob(f"*-suite-{slug(name, SLUG_MAX)}-??????/{SUITE_FILE}"))
    if not files:
        raise UsageError(f"There is no suite {name} under {results} to resume; leave out --resume.")
    return files[-1].parent


def begin_trial(path: Path, trial: Trial) -> Path:
    """Make an empty folder for a trial, without the files of an earlier try; return it.

    Raises:
        StoreError: it cannot be made.
    """
    folder = trial_folder(path, trial)
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    except OSError as error:
        raise StoreError(
            f"{folder} could not be made: {error.strerror}; make room and resume with --resume."
        ) from error
    return folder


def finish_trial(path: Path, record: TrialRecord) -> None:
    """Write the result of a trial.

    Raises:
        StoreError: it cannot be written; the trial then counts as not run.
    """
    write_json(trial_folder(path, record.trial) / TRIAL_FILE, record)


def read_records(path: Path) -> dict[int, TrialRecord]:
    """Return the result of each trial that has ended, by trial number, in ascending order.

    Earlier versions recorded trials that were interrupted as done; their runs say what they are.

    Raises:
        UsageError: one of them is damaged.
    """
    files = sorted(path.glob(f"{TRIALS_FOLDER}/*/{TRIAL_FILE}"))
    records = [unless_interrupted(read_record(file), file.parent) for file in files]
    return {record.trial.number: record for record in sorted(records, key=lambda record: record.trial.number)}


def trial_run_folder(path: Path, record: TrialRecord) -> Path:
    """Return the run folder of a trial that is done."""
    assert record.run is not None
    return trial_folder(path, record.trial) / record.run


def write_index(path: Path, records: dict[int, TrialRecord]) -> None:
    """Write index.json: all trials that have ended, each with its folder."""
    rows = [
        {"folder": str(trial_folder(path, record.trial).relative_to(path))} | msgspec.to_builtins(record)
        for record in records.values()
    ]
    write_json(path / INDEX_FILE, {"schema": SUITE_SCHEMA, "trials": rows})


def trial_folder(path: Path, trial: Trial) -> Path:
    """Return the folder of a trial."""
    return path / TRIALS_FOLDER / f"{trial.number:04d}-{slug(trial.cell, SLUG_MAX)}"


def read_record(file: Path) -> TrialRecord:
    """Read one trial.json."""
    try:
        return convert(decode_json(file.read_bytes()), TrialRecord, file)
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}; remove it, and --resume repeats that trial.") from error


def convert(document: Any, kind: type[Struct], file: Path) -> Struct:
    """Convert a document to a struct.

    Raises:
        UsageError: it does not follow the schema.
    """
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"{file} does not follow schema {SUITE_SCHEMA}: {error}.") from error


def write_json(file: Path, document: Any) -> None:
    """Write a JSON file atomically.

    Raises:
        StoreError: it cannot be written; an older one is unchanged.
    """
    try:
        atomic.write(file, json_bytes(document))
    except OSError as error:
        raise StoreError(
            f"{file} could not be written: {error.strerror}; make room and resume with --resume."
        ) from error
