# SPDX-License-Identifier: MIT
"""The schema of run folders: its versions, and the upgrades from each to the next.

Schema 1: the first (connstorm 0.1.0): one storm, one pair of addresses.
Schema 2: acts, each with its plan, its counters and a range of addresses; which mines were left after the storm.
Schema 3: how causes were proved: proofs, bounds, listening sockets, stalls; state, age and cookie of each mine; what
the kernel said of packets that it dropped.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from stress.lab.sysctl import PORT_MAX, RESERVED_PORTS, parse_ports
from stress.model.errors import UsageError
from stress.model.json_text import decode_json
from stress.model.record import Record
from stress.model.run import CLOSE_WAIT, MINE
from stress.model.summary import Summary

SCHEMA = 3

MINE_1 = np.dtype([("address", "<u2"), ("local_port", "<u2")])
MINE_2 = np.dtype([("address", "<u2"), ("local_port", "<u2"), ("left", "u1")])

# Fields of a record in schema 1, and of each of its acts in schema 2.
ACT_FIELDS = ("plan", "port_range", "phases", "counters", "census_before", "census_after", "listener", "stolen_ms")


def upgrade_1_to_2(old: dict[str, Any]) -> dict[str, Any]:
    """Return run.json of schema 2: the only storm becomes the only act."""
    (address,) = old["addresses"]
    host = dict(old["host"])
    low, high = old["port_range"]
    if not 0 <= low <= high <= PORT_MAX:
        raise ValueError(f"ports {low} to {high}")
    reserved = parse_ports(host["sysctls"].get(RESERVED_PORTS, "")) | {address["target_port"]}
    act = {field: old[field] for field in ACT_FIELDS} | {
        "listener": old["listener"] | {"first": 0},  # not known in schema 1
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
    unchanged = {
        field: old[field] for field in ("id", "program", "started_utc", "plan", "interrupted", "warnings", "files")
    }
    return unchanged | {"schema": 2, "host": host, "harness": None, "acts": [act], "summary": summary}


def upgrade_mines_1_to_2(mines: npt.NDArray[Any], attempts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return mines.npy of schema 2, which has the field ``left``.

    A mine is gone when an attempt connected from its port; schema 1 stored nothing else about a single mine.
    """
    upgraded = np.zeros(len(mines), MINE_2)
    for field in mines.dtype.names or ():
        upgraded[field] = mines[field]
    upgraded["left"] = ~np.isin(mines["local_port"], attempts["local_port"][attempts["error"] == 0])
    return upgraded


def upgrade_2_to_3(old: dict[str, Any]) -> dict[str, Any]:
    """Return run.json of schema 3: what schema 2 did not store stays unknown, and no proof was stored for a cause.

    In a private namespace there is no interface but lo.
    """
    private = {"outside_packets": 0, "syn_sent_before": 0}
    acts = [act | ({} if act["plan"].get("host") else private) for act in old["acts"]]
    outcomes = old["summary"]["outcomes"]
    errnos = {name: outcomes[outcome] for outcome, name in ERRNO_BY_OUTCOME.items() if outcomes.get(outcome)}
    return old | {"schema": 3, "acts": acts, "summary": old["summary"] | {"errnos": errnos}}


# Of schema 2; which errno an "other" was is not in its run.json.
ERRNO_BY_OUTCOME = {
    "timed_out": "ETIMEDOUT",
    "refused": "ECONNREFUSED",
    "reset": "ECONNRESET",
    "no_port": "EADDRNOTAVAIL",
    "in_use": "EADDRINUSE",
    "unfinished": "EINPROGRESS",
}


def upgrade_mines_2_to_3(mines: npt.NDArray[Any], _: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return mines.npy of schema 3; schema 2 knew no mines but CLOSE_WAIT sockets."""
    upgraded = np.zeros(len(mines), MINE)
    for field in mines.dtype.names or ():
        upgraded[field] = mines[field]
    upgraded["state"], upgraded["age_ms"] = CLOSE_WAIT, -1
    return upgraded


@dataclass(frozen=True)
class Upgrade:
    """The step from an old schema to the next one.

    Attributes:
        document: returns run.json of the next schema.
        mine: dtype of mines.npy in the old schema.
        mines: returns mines.npy of the next schema, given that of the old one and the attempts.
    """

    document: Callable[[dict[str, Any]], dict[str, Any]]
    mine: np.dtype[Any]
    mines: Callable[[npt.NDArray[Any], npt.NDArray[Any]], npt.NDArray[Any]]


# By the number of the old schema.
UPGRADES = {
    1: Upgrade(upgrade_1_to_2, MINE_1, upgrade_mines_1_to_2),
    2: Upgrade(upgrade_2_to_3, MINE_2, upgrade_mines_2_to_3),
}


def mine_dtype(schema: int) -> np.dtype[Any]:
    """Return the dtype of mines.npy in a schema."""
    return UPGRADES[schema].mine if schema in UPGRADES else MINE


def upgrade_mines(mines: npt.NDArray[Any], attempts: npt.NDArray[Any], schema: int) -> npt.NDArray[Any]:
    """Return mines, dtype MINE, of an array that was written with a schema."""
    for number in range(schema, SCHEMA):
        mines = UPGRADES[number].mines(mines, attempts)
    return mines


class RunFile(Record, frozen=True, kw_only=True):
    """The contents of run.json: the record, its summary, and the SHA-256 of each other file of the folder, by name.

    ``digest`` is that of this file itself (``stress.store.digest``), and its last field; earlier versions wrote none.
    """

    schema: int
    summary: Summary
    files: dict[str, str]
    digest: str | msgspec.UnsetType = msgspec.UNSET


def decode_run(data: bytes, where: str) -> tuple[RunFile, int]:
    """Decode a run.json of any schema up to SCHEMA; return it with the schema that it was written with.

    Raises:
        UsageError: it is not a run.json, or its schema is newer, or too old for every upgrade.
    """
    try:
        document = decode_json(data)
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
            document = UPGRADES[schema].document(document)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{where} does not follow schema {schema}: {error!r}.") from error
        schema = document["schema"]
    try:
        return msgspec.convert(document, RunFile), written
    except msgspec.ValidationError as error:
        raise UsageError(f"{where} does not follow schema {SCHEMA}: {error}.") from error
