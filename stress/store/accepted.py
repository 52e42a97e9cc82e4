# SPDX-License-Identifier: MIT
"""accepted.toml: the accepted changes of a history, in a file that people write, read and review.

[[accepted]]
cell = "closewait"
testbed = "0f1e2d3c"
metric = "rate"
at = "20260131T120000Z-closewait-abc123"
reason = "the new kernel takes a lock more in connect()"
"""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from stress.model import atomic
from stress.model.acceptance import Acceptance
from stress.model.errors import StoreError, UsageError

ACCEPTED = "accepted.toml"  # in the history folder
TABLE = "accepted"
HEADER = re.compile(rf'^[ \t]*\[\[[ \t]*["\']?{TABLE}["\']?[ \t]*\]\]', re.MULTILINE)


class AcceptedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of the file."""

    accepted: list[Acceptance] = []


def read(file: Path) -> list[tuple[str, Acceptance]]:
    """Return the entries of a file, each with its file and line as text; of a file that does not exist, none.

    Raises:
        UsageError: it is not TOML, or has an unknown key, or a key is missing.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}.") from error
    entries = parse_accepted(text, str(file))
    return [(f"{file}{line_text(text, index, len(entries))}", entry) for index, entry in enumerate(entries)]


def parse_accepted(text: str, where: str) -> list[Acceptance]:
    """Return the entries of a text.

    Args:
        text: contents of the file.
        where: name of the file for error messages.

    Raises:
        UsageError: it is not TOML, or has an unknown key, or a key is missing.
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError also for a number with thousands of digits
        raise UsageError(f"{where} is not TOML: {error}.") from error
    tables = document.get(TABLE)
    entries = tables if isinstance(tables, list) else []
    for index, entry in enumerate(entries):
        try:
            msgspec.convert(times_to_text(entry), Acceptance)
        except msgspec.ValidationError as error:
            line = line_text(text, index, len(entries))
            raise UsageError(f"{where}{line}, an [[{TABLE}]]: {error}.") from error
    try:
        whole = document | ({TABLE: [times_to_text(entry) for entry in entries]} if entries else {})
        return msgspec.convert(whole, AcceptedFile).accepted
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {error}; it holds [[{TABLE}]] tables and nothing else.") from error


def times_to_text(entry: Any) -> Any:
    """Return an entry with its times as text: TOML has types for them."""
    if not isinstance(entry, dict):
        return entry
    return {key: value.isoformat() if hasattr(value, "isoformat") else value for key, value in entry.items()}


def line_text(text: str, index: int, entries: int) -> str:
    """Return the line in which an entry begins, as ``', line 7'``; an empty text where it is not certain.

    A header can also occur inside a multi-line string; then there are more headers than entries.
    """
    headers = [text.count("\n", 0, match.start()) + 1 for match in HEADER.finditer(text)]
    return f", line {headers[index]}" if len(headers) == entries else ""


def append_accepted(file: Path, entries: Sequence[Acceptance]) -> None:
    """Append entries to a file, all of them or none; the rest of the file, with its comments, is unchanged.

    Raises:
        UsageError: the file cannot be read, or nothing can be added at its end.
        StoreError: it cannot be written; it is unchanged.
    """
    before = [entry for _, entry in read(file)]
    old = file.read_bytes().decode("utf-8-sig") if file.exists() else ""
    gap = "" if not old else "\n" if old.endswith("\n") else "\n\n"
    text = old + gap + "\n".join(f"[[{TABLE}]]\n{tomli_w.dumps(msgspec.to_builtins(entry))}" for entry in entries)
    try:
        after = parse_accepted(text, str(file))
    except UsageError as error:
        raise UsageError(f"Nothing can be added at the end of {file}; write its entries as [[{TABLE}]].") from error
    assert after == [*before, *entries]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(file, text.encode())
    except OSError as error:
        raise StoreError(f"{file} could not be written: {error.strerror}; it is unchanged.") from error
