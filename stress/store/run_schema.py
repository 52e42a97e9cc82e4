# SPDX-License-Identifier: MIT
"""run.json and mines.npy: their schema, its versions, and how an old one becomes a new one.

Schema 1: the first (connstorm 0.1.0): one storm, one pair of addresses.
Schema 2: acts, each with its plan, its counters and a range of addresses; which mines stood after the storm.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from stress.lab.sysctl import RESERVED_PORTS, parse_ports
from stress.model.errors import UsageError
from stress.model.record import Record
from stress.model.run import MINE
from stress.model.summary import Summary

SCHEMA = 2

# What a record of schema 1 says of its storm, and a record of schema 2 says of each act.
ACT_FIELDS = ("plan", "port_range", "phases", "counters", "census_before", "census_after", "listener", "stolen_ms")


def upgrade_1_to_2(old: dict[str, Any]) -> dict[str, Any]:
    """Return a document of schema 2: the only storm is the only act."""
    (address,) = old["addresses"]
    host = dict(old["host"])
    low, high = old["port_range"]
    reserved = parse_ports(host["sysctls"].get(RESERVED_PORTS, "")) | {address["target_port"]}
    act = {field: old[field] for field in ACT_FIELDS} | {
        "listener": old["listener"] | {"first": 0},  # schema 1 did not look
        "name": "storm",
        "address": address | {"first": 0, "sources": 1, "target_ports": 1},
        "attempts": old["summary"]["attempts"],
        "ports": len(set(range(low, high + 1)) - reserved),
        "sysctls": host.pop("sysctls"),
        "firewall": host.pop("firewall"),
        "dropped": {},
        "waiting": 0,
        "starved_ns": None,
        "mines_laid": old["summary"]["mines"]["laid"],
        "pairs": [],
    }
    summary = old["summary"] | {
        "intended": None,
        "acts": [],
        "verdict": None,
        "figures": [],
        "evidence": [],
        "books": [claim | {"act": "storm"} for claim in old["summary"]["books"]],
    }
    kept = {field: old[field] for field in ("id", "program", "started_utc", "plan", "interrupted", "warnings", "files")}
    return kept | {"schema": 2, "host": host, "harness": None, "acts": [act], "summary": summary}


# From each old schema number, the function that turns its document into the next one's.
UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: upgrade_1_to_2}


def with_left(mines: npt.NDArray[Any], attempts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the mines of schema 1 with the field that they lack.

    A mine is gone when an attempt connected from its port; schema 1 knew nothing else of a single one.
    """
    found = np.zeros(len(mines), MINE)
    for field in mines.dtype.names or ():
        found[field] = mines[field]
    found["left"] = ~np.isin(mines["local_port"], attempts["local_port"][attempts["error"] == 0])
    return found


MINE_1 = np.dtype([("address", "<u2"), ("local_port", "<u2")])  # of schema 1


class RunFile(Record, frozen=True, kw_only=True):
    """What run.json holds: the record, its summary, and the SHA-256 of each file beside it, by name."""

    schema: int
    summary: Summary
    files: dict[str, str]


def decode_run(data: bytes, where: str) -> tuple[RunFile, int]:
    """Decode a run.json of any schema up to this program's; return it with the schema that it was written with.

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
    written = schema
    while schema < SCHEMA:
        if schema not in UPGRADES:
            raise UsageError(f"{where} has schema {schema}, which no released connstorm wrote; run again.")
        try:
            document = UPGRADES[schema](document)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{where} does not follow schema {schema}: {error!r}.") from error
        schema = document["schema"]
    try:
        return msgspec.convert(document, RunFile), written
    except msgspec.ValidationError as error:
        raise UsageError(f"{where} does not follow schema {SCHEMA}: {error}.") from error
