# SPDX-License-Identifier: MIT
"""What was read from a history folder and computed of it, stored so that a further run costs only its own time.

A cache can be deleted at any time. It lies in the user's cache folder, one file for each history folder and set of
metrics. A run or suite is read anew where a file of it has another time, size or inode than when it was read; a result
is looked up by a hash of everything that it was computed from, and of the version of the program. What cannot be read
is no cache, and what cannot be written is not stored.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from stress import __version__
from stress.analysis.history.run_row import RunRow, run_row
from stress.analysis.metric import Metric
from stress.model import atomic
from stress.store.run_folder import RUN_FILE
from stress.store.runs import read_observations
from stress.store.suite_folder import SUITE_FILE, TRIAL_FILE, TRIALS_FOLDER

SCHEMA = 4  # of the file; another one is no cache
SAVED_MIN = 100  # runs of a history that is stored: fewer are read and computed soon enough
DIGEST_BYTES = 16
FILES_MAX = 50  # caches in the folder; of more, those that were not written for longest are removed
CODE = ("analysis", "model", "profile", "store", "storm")  # rooms whose source decides what is stored

Identity = tuple[tuple[str, int, int, int], ...]  # of each file: its name, time of the last change (ns), size and inode


class CacheFile(msgspec.Struct):
    """The contents of the file.

    Attributes:
        schema: its number.
        made_by: the program and its source.
        facts: the facts of runs, each once.
        rows: the identity and the rows of each run folder or suite folder by its name; facts by their index.
        results: what was computed, by the hash of its contents.
    """

    schema: int
    made_by: str
    facts: list[dict[str, str]]
    rows: dict[str, tuple[Identity, list[tuple[int, RunRow]]]]
    results: dict[str, Any]


class HistoryCache:
    """The cache of a history folder."""

    def __init__(self, folder: Path, metrics: Sequence[Metric]) -> None:
        """Read the cache of a folder and metrics, if there is one."""
        self.folder, self.metrics = folder, metrics
        names = "|".join([str(folder), str(folder.resolve()), *(metric.name for metric in metrics)])
        self.file = cache_folder() / f"{hashlib.sha256(names.encode()).hexdigest()[:24]}.msgpack"
        self.stored = read_cache(self.file, source_version())
        self.used: dict[str, Any] = {}
        self.has_changed = False

    def read_rows(self) -> list[RunRow]:
        """Return the rows of all runs of the folder; only those that are new or changed are read.

        Raises:
            UsageError: a run is damaged.
        """
        if identify_entry(str(self.folder)):  # it is a run or a suite itself
            return [run_row(run, self.metrics) for run in read_observations(self.folder, "") if not run.interrupted]
        old, rows = self.stored.rows, {}
        numbers = {msgspec.json.encode(facts): number for number, facts in enumerate(self.stored.facts)}
        with os.scandir(self.folder) as inside:
            names = sorted(one.name for one in inside)
        for name in names:
            identity = identify_entry(f"{self.folder}/{name}")
            if not identity:
                continue
            entry = old.get(name)
            if entry is None or entry[0] != identity:
                entry = (identity, [])
                for run in read_observations(self.folder / name, ""):
                    if not run.interrupted:
                        row = run_row(run, self.metrics)
                        number = numbers.setdefault(msgspec.json.encode(row.facts), len(numbers))
                        if number == len(self.stored.facts):
                            self.stored.facts.append(row.facts)
                        entry[1].append((number, msgspec.structs.replace(row, facts={})))
                self.has_changed = True
            rows[name] = entry
        self.has_changed |= rows.keys() != old.keys()
        self.stored.rows = rows
        facts = self.stored.facts
        for _, of_entry in rows.values():
            for number, row in of_entry:
                msgspec.structs.force_setattr(row, "facts", facts[number])
        return [row for _, of_entry in rows.values() for _, row in of_entry]

    def __call__(self, name: str, contents: Sequence[Any], compute: Callable[[], Any]) -> Any:
        """Return what a function computes from some arrays and lists of numbers, looked up where it is known."""
        digest = hashlib.blake2b(name.encode(), digest_size=16)
        for part in contents:
            numbers = np.asarray(part, np.float64)
            digest.update(np.int64(len(numbers)).tobytes())
            digest.update(numbers.tobytes())
        return self.remember(digest.digest(), lambda: plain(compute()))

    def remember(self, contents: bytes, compute: Callable[[], Any]) -> Any:
        """Return what a function computes from some contents, as plain values, looked up where it is known."""
        key = hashlib.blake2b(contents, digest_size=DIGEST_BYTES).hexdigest()
        if key not in self.stored.results:
            self.stored.results[key] = compute()
            self.has_changed = True
        self.used[key] = self.stored.results[key]
        return self.used[key]

    def save(self) -> None:
        """Store what was read and computed; results that were not asked for are dropped."""
        if not self.has_changed or len(self.stored.rows) < SAVED_MIN:
            return
        rows = {
            name: (identity, [(number, msgspec.structs.replace(row, facts={})) for number, row in of_entry])
            for name, (identity, of_entry) in self.stored.rows.items()
        }
        data = pack_cache(CacheFile(SCHEMA, self.stored.made_by, self.stored.facts, rows, self.used))
        with suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            atomic.write(self.file, data, atomic.own_partial_path(self.file))
            others = sorted(self.file.parent.glob("*.msgpack"), key=lambda file: file.stat().st_mtime_ns)
            for file in others[:-FILES_MAX]:
                file.unlink(missing_ok=True)


def pack_cache(stored: CacheFile) -> bytes:
    """Return the bytes of a cache: a digest, and what it is of."""
    data = msgspec.msgpack.encode(stored, enc_hook=plain)
    return digest_of(data) + data


def read_cache(file: Path, made_by: str) -> CacheFile:
    """Return the cache in a file; an empty one where that is none, is damaged, or was not made by this program."""
    with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        packed = file.read_bytes()
        data = packed[DIGEST_BYTES:]
        if packed[:DIGEST_BYTES] == digest_of(data):
            stored = msgspec.msgpack.decode(data, type=CacheFile)
            if stored.schema == SCHEMA and stored.made_by == made_by:
                return stored
    return CacheFile(SCHEMA, made_by, [], {}, {})


def digest_of(data: bytes) -> bytes:
    """Return the digest that tells a cache with another number in it from the one that was written."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def cache_folder() -> Path:
    """Return the folder of the caches."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "connstorm" / "history"


def identify_entry(folder: str) -> Identity:
    """Return the identity of all files that are read of a run folder or a suite folder; () for another one."""
    run = identify_file(f"{folder}/{RUN_FILE}")
    if run is not None:
        return (run,)
    suite = identify_file(f"{folder}/{SUITE_FILE}")
    if suite is None:
        return ()
    trials = Path(folder, TRIALS_FOLDER)
    files = sorted([*trials.glob(f"*/{TRIAL_FILE}"), *trials.glob(f"*/*/{RUN_FILE}")])
    return (suite, *(one for file in files if (one := identify_file(str(file)))))


def identify_file(path: str) -> tuple[str, int, int, int] | None:
    """Return the identity of a file; None where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116  # of 10,000 runs, making a Path of each takes longer than this
    except OSError:
        return None
    return (path.rpartition("/")[2], status.st_mtime_ns, status.st_size, status.st_ino)


def source_version() -> str:
    """Return the version of the program with the newest change of its source: a checkout has one version for long."""
    package = Path(__file__).parents[1]
    newest = max(file.stat().st_mtime_ns for room in CODE for file in (package / room).rglob("*.py"))
    return f"{__version__} {newest}"


def plain(value: Any) -> Any:
    """Return a value of which tuples and numbers of numpy are lists and numbers."""
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value
