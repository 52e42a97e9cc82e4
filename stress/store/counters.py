# SPDX-License-Identifier: MIT
"""The kernel's counters of a stored run, read when somebody asks for them."""

from pathlib import Path

import msgspec

from stress.model.errors import UsageError
from stress.model.json_text import decode_json
from stress.store.stored_names import RUN_FILE


class ActCounters(msgspec.Struct, frozen=True):
    """The counters of an act."""

    counters: dict[str, int] = {}


class CounterFile(msgspec.Struct, frozen=True):
    """The part of run.json that has counters; runs of schema 1 have none there."""

    acts: list[ActCounters] = []


def read_counters(path: Path) -> dict[str, int]:
    """Return by how much each of the kernel's counters rose during the storms of a run, that all its acts recorded.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        acts = [act.counters for act in decode_json((path / RUN_FILE).read_bytes(), CounterFile).acts]
    except OSError as error:
        raise UsageError(f"{path} is not a run folder: {RUN_FILE} cannot be read ({error.strerror}).") from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{path / RUN_FILE} has no counters that can be read: {error}.") from error
    first, others = (acts[0], acts[1:]) if acts else ({}, [])
    return {
        name: count + sum(act[name] for act in others)
        for name, count in first.items()
        if all(name in act for act in others)
    }
