# SPDX-License-Identifier: MIT
"""What a reader is, and the ways in which one gets an input."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from stress.model.json_text import decode_json

DATA = Path(__file__).parents[1] / "tests" / "data"


@dataclass(frozen=True)
class Reader:
    """A reader.

    Attributes:
        seeds: returns whole inputs, which are mutated.
        prepare: takes an empty folder; returns the function that reads one input.
        share: of so many inputs it gets one, because it costs milliseconds.
        change: returns the input that is made of a seed with a random.Random; None: as any bytes are.
    """

    seeds: Callable
    prepare: Callable
    share: int = 1
    change: Callable | None = None


def files(*patterns):
    """Return a function that reads the frozen files of some patterns."""
    return lambda: [path.read_bytes() for pattern in patterns for path in sorted(DATA.glob(pattern))]


def in_memory(read):
    """Return what needs no folder."""
    return lambda _folder: read


def by_file(name, read):
    """Return what writes an input to a file and reads that."""

    def prepare(folder):
        path = folder / name

        def read_input(data):
            path.write_bytes(data)
            return read(path)

        return read_input

    return prepare


def in_copy(frozen, name, read):
    """Return what replaces one file of a copy of a frozen folder, and reads the folder; ``name`` may be a pattern."""

    def prepare(folder):
        copy = folder / "results" / "20260131T120000Z-closewait-abc123"
        shutil.copytree(DATA / frozen, copy)
        (place,) = copy.glob(name)

        def read_input(data):
            place.write_bytes(data)
            return read(copy)

        return read_input

    return prepare


def as_types(*types):
    """Return what decodes JSON as each of some types, and takes what it is not for what was expected."""

    def read_input(data):
        for kind in types:
            with suppress(msgspec.DecodeError):
                decode_json(data, kind)

    return read_input


def encoded(*values):
    """Return a function that returns values as JSON."""
    return lambda: [msgspec.json.encode(value) for value in values]
