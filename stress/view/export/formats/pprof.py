# SPDX-License-Identifier: MIT
"""Profiles as pprof reads them: its protocol buffer (github.com/google/pprof, proto/profile.proto), compressed.

The message has a dozen kinds of fields, all numbers, texts and lists of these, so it is encoded here: a library for
protocol buffers would come with a compiler and generated code.
"""

import gzip
from collections.abc import Iterable, Sequence
from typing import IO

from stress.view.export.format import Format
from stress.view.export.profiled_run import ProfiledRun

VARINT, BYTES = 0, 2  # wire types
SAMPLE_TYPE, SAMPLE, LOCATION, FUNCTION, STRINGS = 1, 2, 4, 5, 6  # fields of Profile
DURATION_NS, PERIOD_TYPE, PERIOD, DEFAULT_TYPE = 10, 11, 12, 14


def write(runs: Sequence[ProfiledRun], stream: IO[bytes]) -> None:
    """Write the stacks of runs as one profile; those of several runs stand on the name of the run."""
    stream.write(gzip.compress(encode_profile(runs), mtime=0))


def encode_profile(runs: Sequence[ProfiledRun]) -> bytes:
    """Return the message Profile of the stacks of runs."""
    texts: dict[str, int] = {"": 0}  # the first one has to be empty
    frames: dict[str, int] = {}  # the number of its location, which is also that of its function

    def text(value: str) -> int:
        return texts.setdefault(value, len(texts))

    def value_type(kind: str, unit: str) -> bytes:
        return number(1, text(kind)) + number(2, text(unit))

    message = bytearray(block(SAMPLE_TYPE, value_type("samples", "count")))
    message += block(SAMPLE_TYPE, value_type("cpu", "nanoseconds"))
    for run in runs:
        below = (run.name,) if len(runs) > 1 else ()
        for stack, count in sorted(run.stacks.items()):
            numbers = [frames.setdefault(frame, len(frames) + 1) for frame in reversed((*below, *stack))]
            values = [count, count * run.report.period_ns]
            message += block(SAMPLE, block(1, packed(numbers)) + block(2, packed(values)))
    for name, place in frames.items():
        line = number(1, place)  # of the function; there are no lines
        message += block(LOCATION, number(1, place) + block(4, line))
        message += block(FUNCTION, number(1, place) + number(2, text(name)) + number(3, text(name)))
    duration_ns = sum(act.duration_ns for run in runs for act in run.report.acts)
    message += number(DURATION_NS, duration_ns) + block(PERIOD_TYPE, value_type("cpu", "nanoseconds"))
    message += number(PERIOD, runs[0].report.period_ns) + number(DEFAULT_TYPE, text("cpu"))
    message += b"".join(block(STRINGS, value.encode()) for value in texts)
    return bytes(message)


def varint(value: int) -> bytes:
    """Return a number of at least 0 in groups of seven bits, the lowest first."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def number(field: int, value: int) -> bytes:
    """Return a field that is a number."""
    return varint(field << 3 | VARINT) + varint(value)


def block(field: int, data: bytes) -> bytes:
    """Return a field that is a text, a message or a packed list."""
    return varint(field << 3 | BYTES) + varint(len(data)) + data


def packed(values: Iterable[int]) -> bytes:
    """Return a list of numbers."""
    return b"".join(map(varint, values))


FORMATS = {"pprof": Format(".pb.gz", "stacks of profiled runs", profile=write, separates=True, position=13)}
