# SPDX-License-Identifier: MIT
"""What ``perf script`` prints, as samples."""

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stress.model.profile import NO_CALL, USER_MODE
from stress.model.units import SECOND_NS

FIELDS = "pid,cpu,time,ip,sym"
HEADER = re.compile(r"\s*(-?\d{1,10})\s+\[(\d{1,10})\]\s+(\d{1,12})\.(\d{9}):\s*$", re.ASCII)  # with --ns
LOST = re.compile(r"PERF_RECORD_LOST(?:_SAMPLES)?\D+(\d{1,18})\b", re.ASCII)
FRAME = re.compile(r"\s+([0-9a-f]+)\s+(.+?)\s*$")
# A system call as the kernel's functions are named for each architecture (arch/*/include/asm/syscall_wrapper.h).
CALL = re.compile(r"__(?:x64|ia32|arm64|s390x?|riscv|se)_sys_(\w+)")


@dataclass(frozen=True)
class Sample:
    """One sample.

    Attributes:
        process: its process ID; 0 is an idle CPU.
        cpu: its CPU.
        time_ns: CLOCK_MONOTONIC of the host.
        frames: the system call, or what else led into the kernel, and the kernel's functions from there inwards.
    """

    process: int
    cpu: int
    time_ns: int
    frames: tuple[str, ...]


class ScriptReader:
    """Reads samples from the lines of ``perf script --ns --show-lost-events -F`` FIELDS.

    Attributes:
        lost: events that the kernel had no room for, so far.
    """

    def __init__(self) -> None:
        self.lost = 0

    def read(self, lines: Iterable[str]) -> Iterator[Sample]:
        """Yield the samples."""
        head: tuple[int, int, int] | None = None
        inwards: list[str] = []
        for line in lines:
            if match := HEADER.match(line):
                if head is not None:
                    yield Sample(*head, fold_frames(inwards))
                process, cpu, seconds, ns = map(int, match.groups())
                head, inwards = (process, cpu, seconds * SECOND_NS + ns), []
            elif match := LOST.search(line):
                self.lost += int(match[1])
            elif (match := FRAME.match(line)) and head is not None:
                inwards.append(sys.intern(match[2]))  # a few thousand names, in millions of samples
        if head is not None:
            yield Sample(*head, fold_frames(inwards))


def fold_frames(innermost_first: list[str]) -> tuple[str, ...]:
    """Return a stack of the kernel's functions from its system call inwards; a sample outside the kernel has none."""
    if not innermost_first:
        return (USER_MODE,)
    outermost_first = innermost_first[::-1]
    for place, frame in enumerate(outermost_first):
        if match := CALL.fullmatch(frame):
            return (f"{match[1]}()", *outermost_first[place + 1 :])
    return (NO_CALL, *outermost_first)
