# SPDX-License-Identifier: MIT
"""run.json: its schema, its versions, and how an old one becomes a new one.

Schema 1: the first (connstorm 0.1).
"""

from collections.abc import Callable
from typing import Any

import msgspec

from stress.model.errors import UsageError
from stress.model.record import Record
from stress.model.summary import Summary

SCHEMA = 1

# From each old schema number, the function that turns its document into the next one's.
UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}


class RunFile(Record, frozen=True, kw_only=True):
    """What run.json holds: the record, its summary, and the SHA-256 of each file beside it, by name."""

    schema: int
    summary: Summary
    files: dict[str, str]


def decode(data: bytes, where: str) -> RunFile:
    """Decode a run.json of any schema up to this program's.

    Raises:
        UsageError: it is none, or newer, or older than any upgrade reaches.
    """
    try:
        document = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise UsageError(f"{where} is not JSON: {error}. The file is damaged; run again.") from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(schema, int):
        raise UsageError(f"{where} has no schema number; it was not written by connstorm.")
    if schema > SCHEMA:
        raise UsageError(
            f"{where} has schema {schema}, but this connstorm reads up to {SCHEMA}; use the connstorm "
            f"that wrote it ({document.get('program', 'a newer one')}) or a later one."
        )
    while schema < SCHEMA:
        if schema not in UPGRADES:
            raise UsageError(f"{where} has schema {schema}, which no released connstorm wrote; run again.")
        document = UPGRADES[schema](document)
        schema = document["schema"]
    try:
        return msgspec.convert(document, RunFile)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where} does not follow schema {SCHEMA}: {error}.") from error
