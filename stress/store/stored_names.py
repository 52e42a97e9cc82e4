# SPDX-License-Identifier: MIT
"""Names of stored runs and suites: what users write in place of a path. Imports no numpy.

Folders are named by when they began, so nothing has to be opened to find one; only those that users have renamed are.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from stress.model.errors import NoRunsError, UsageError
from stress.model.json_text import decode_json
from stress.model.text import did_you_mean, join_words, plural
from stress.store import json_parts
from stress.store.suite_folder import SUITE_FILE

RUN_FILE = json_parts.RUN_FILE
FOLDER_NAME = re.compile(r"(?P<started>\d{8}T\d{6}Z)-(?P<suite>suite-)?(?P<subject>.+)-(?P<id>[0-9a-f]{6})")
FOLDER_OF_RUNS = re.compile(r"\d{8}T\d{6}Z-demo")  # its runs count as well
LATEST = re.compile(r"latest(?::(?P<subject>[^~]+))?(?:~(?P<back>\d+))?")
STARTED = "%Y%m%dT%H%M%SZ"
NAMED = 4  # candidates that a message names


@dataclass(frozen=True)
class StoredEntry:
    """A run or a suite in the folder of all runs.

    Attributes:
        path: its folder.
        name: that folder, seen from the folder of all runs.
        started: when it began, as folder names have it, UTC.
        subject: the scenario of a run, the name of a suite; of a renamed folder its name.
        id: at the end of its name; of a renamed folder ``""``.
        is_suite: whether it is a suite.
        changed_ns: when its folder was last changed, which tells those apart that began in one second.
    """

    path: Path
    name: str
    started: str
    subject: str
    id: str
    is_suite: bool
    changed_ns: int

    @property
    def short_name(self) -> str:
        """Its name without the time: ``closewait-8f58ea``, ``suite-smoke-1a2b3c``."""
        return short_name(self.name)

    @property
    def started_text(self) -> str:
        """When it began, as people write it, UTC."""
        return f"{datetime.strptime(self.started, STARTED).replace(tzinfo=UTC):%Y-%m-%d %H:%M}"


def find_stored(text: str, results: Path, *, only_suites: bool = False) -> Path:
    """Return the folder that a user means: a path, or a name of a run or suite in the folder of all runs.

    A path that exists is always that path. A name is the whole name, the id, the scenario or suite, the beginning, or
    any part, in this order, if one entry alone has it so. ``latest`` is the newest, ``latest~1`` the one before, and
    ``latest:closewait`` the newest of a scenario or suite.

    Args:
        text: as the user wrote it.
        results: the folder of all runs.
        only_suites: whether names are those of suites alone.

    Raises:
        NoRunsError: nothing is called that.
        UsageError: several are.
    """
    path = Path(text)
    if text and path.exists():
        return path
    if path.parent == results:
        text = path.name
    entries = list_stored(results, only_suites=only_suites)
    if "/" in text and entries:
        if not path.is_absolute() and (results / text).exists():
            return results / text
        raise NoRunsError(f"There is no path {text}; connstorm list shows the runs and suites in {results}.")
    matching = next(filter(None, (matches(text, entries) for matches in RANKS)), []) if text else []
    if len(matching) > 1:
        raise UsageError(ambiguous_text(text, matching, results))
    if matching:
        return matching[0].path
    raise NoRunsError(absent_text(text, entries, results))


def find_arm(text: str, results: Path) -> str:
    """Return an argument ``[label=]name[#cell]`` with the path of its folder in place of the name.

    One that is given by a name and without a label gets the short name of its folder as label.

    Raises:
        NoRunsError, UsageError: as ``find_stored``.
    """
    if Path(text).exists():
        return f"./{text}" if "=" in text.partition("/")[0] else text
    label, equals, rest = text.partition("=")
    if not equals or {"/", "#"} & set(label):
        label, rest = "", text
    name, sharp, cell = rest.partition("#")
    path = find_stored(name, results)
    if not label and "/" not in name and str(path) != name:
        label = short_name(path.name).replace("=", "-")
    return f"{label}={path}{sharp}{cell}" if label else f"{path}{sharp}{cell}"


def short_name(name: str) -> str:
    """Return the name of a folder without the time when it began, and without the folder that it is in."""
    last = name.rpartition("/")[2]
    match = FOLDER_NAME.fullmatch(last)
    return last.removeprefix(f"{match.group('started')}-") if match else last


def list_stored(results: Path, *, only_suites: bool = False) -> list[StoredEntry]:
    """Return the runs and suites in the folder of all runs, the newest first; none where there is no such folder.

    With ``only_suites``, folders with the name of a run are not looked at, of which there may be thousands.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        entries = walk_entries(results, "", only_suites=only_suites)
        return sorted(entries, key=lambda entry: (entry.started, entry.changed_ns), reverse=True)
    return []


def walk_entries(folder: Path, inside: str, *, only_suites: bool) -> Iterator[StoredEntry]:
    """Yield the runs and suites of a folder, or its suites alone, whose names begin with ``inside``."""
    with os.scandir(folder) as children:
        for child in children:
            match = FOLDER_NAME.fullmatch(child.name)
            if only_suites and match and not match.group("suite"):
                continue
            if child.name.startswith(".") or not child.is_dir():
                continue
            path, name = folder / child.name, inside + child.name
            if match:
                started, suite, subject, number = match.group("started", "suite", "subject", "id")
                yield StoredEntry(path, name, started, subject, number, bool(suite), child.stat().st_mtime_ns)
            elif not inside and FOLDER_OF_RUNS.fullmatch(child.name):
                yield from walk_entries(path, f"{child.name}/", only_suites=only_suites)
            elif (entry := read_renamed(path, name, child.stat().st_mtime_ns)) and entry.is_suite >= only_suites:
                yield entry


class Beginning(msgspec.Struct, frozen=True):
    """The part of run.json and suite.json that both have."""

    started_utc: str


def read_renamed(path: Path, name: str, changed_ns: int) -> StoredEntry | None:
    """Return the run or suite in a folder whose name does not tell; None where it is neither, or damaged."""
    for file in (RUN_FILE, SUITE_FILE):
        with suppress(OSError, msgspec.DecodeError, ValueError):
            beginning = decode_json((path / file).read_bytes(), Beginning)
            started = datetime.fromisoformat(beginning.started_utc).astimezone(UTC)
            return StoredEntry(path, name, f"{started:{STARTED}}", name, "", file == SUITE_FILE, changed_ns)
    return None


Entries = Sequence[StoredEntry]


def match_latest(text: str, entries: Entries) -> list[StoredEntry]:
    """Return the entry that ``latest[:SUBJECT][~BACK]`` stands for; an empty list for another text, or too few."""
    match = LATEST.fullmatch(text)
    if match is None:
        return []
    subject, back = match.group("subject"), int(match.group("back") or 0)
    return [entry for entry in entries if subject in (None, entry.subject)][back : back + 1]


# How a text may stand for an entry, the narrowest first.
RANKS: tuple[Callable[[str, Entries], list[StoredEntry]], ...] = (
    lambda text, entries: [entry for entry in entries if text == entry.name],
    match_latest,
    lambda text, entries: [entry for entry in entries if text in (entry.id, entry.short_name)],
    lambda text, entries: [entry for entry in entries if text == entry.subject],
    lambda text, entries: [entry for entry in entries if is_beginning(text, entry)],
    lambda text, entries: [entry for entry in entries if text in entry.name],
)


def is_beginning(text: str, entry: StoredEntry) -> bool:
    """Return whether a text begins the name of an entry, with the time or without it."""
    return entry.name.startswith(text) or entry.short_name.startswith(text)


def ambiguous_text(text: str, matching: Entries, results: Path) -> str:
    """Return that several entries are called so, and how to name one."""
    names = unique_names(matching[:NAMED])
    rest = [f"{len(matching) - NAMED:,} more"] if matching[NAMED:] else []
    newest = f", or latest:{text} for the newest" if all(entry.subject == text for entry in matching) else ""
    candidates = join_words(names + rest)
    return f"{text} may be any of {len(matching):,} in {results}: {candidates}; write more of the name{newest}."


def unique_names(entries: Entries) -> list[str]:
    """Return the short name of each entry, with the time where two have the same."""
    short = [entry.short_name for entry in entries]
    return [name if short.count(name) == 1 else entry.name for name, entry in zip(short, entries, strict=True)]


def absent_text(text: str, entries: Entries, results: Path) -> str:
    """Return that nothing is called so, and what there is."""
    if not entries:
        return f"There is no path {text}, and {results} has no run or suite; connstorm run and suite write some."
    wanted = LATEST.fullmatch(text)
    subject = wanted.group("subject") if wanted else text
    guess = did_you_mean(subject or "", distinct(entry.subject for entry in entries)) if subject else ""
    which = f"runs or suites of {subject}" if wanted and subject else "runs and suites"
    of_subject = [entry for entry in entries if not (wanted and subject) or entry.subject == subject]
    if wanted and of_subject:
        return f"{text} goes back too far: {results} has only {len(of_subject):,} {which}; connstorm list shows them."
    if wanted:
        return f"{results} has no {which}; connstorm list shows what there is.{guess}"
    all_of_them = plural(len(entries), "run or suite", "runs and suites")
    return (
        f"There is no path {text}, and none of the {all_of_them} in {results} is called that; connstorm list shows "
        f"them.{guess}"
    )


def distinct(names: Iterable[str]) -> list[str]:
    """Return names without repetitions, in their order."""
    return list(dict.fromkeys(names))
