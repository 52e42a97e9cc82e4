# SPDX-License-Identifier: MIT
"""A profile: what the kernel did during the storms of a run, as counted stacks. Imports no numpy.

A stack is a tuple of frames, the outermost first: the act, whether it was on a CPU of the clients, whose it was, the
system call or what else led into the kernel, and the kernel's functions. The folded text has a line for each, as
flame graphs are drawn of: frames that are joined by semicolons, a blank, and how many samples had them.
"""

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec

from stress.model.units import SECOND_NS

Stack = tuple[str, ...]
Stacks = dict[Stack, int]

RATE_HZ = 499  # not a multiple of the timer's frequency, so that samples do not fall in step with it
RATES_HZ = (1, 10_000)
Rate = Annotated[int, msgspec.Meta(ge=RATES_HZ[0], le=RATES_HZ[1])]

CLIENT_CPU, OTHER_CPU = "clients' CPUs", "other CPUs"
CLIENT, SERVER, PROFILER, IDLE, OTHER = "client", "server", "perf", "idle", "other"
USER_MODE, NO_CALL = "user mode", "no call"  # in place of a system call: interrupts, faults, threads of the kernel
HEAD = 3  # frames before the system call: act, CPU, whose it was
SEPARATORS = re.compile(r"[;\x00-\x1f\x7f-\x9f\u2028\u2029]")  # what would end a frame or a line
# More than any profile has: stacks of the kernel have some 100 frames, its names 512 letters (KSYM_NAME_LEN), and so
# many samples are those of 1,000 CPUs in three weeks.
DEPTH_MAX, NAME_MAX, COUNT_MAX = 1024, 1024, 10**12
COUNT = re.compile(r"[1-9][0-9]{0,12}")


class ActProfile(msgspec.Struct, frozen=True, kw_only=True):
    """The profile of one storm, without its stacks.

    Attributes:
        act: its name.
        cpus: the CPUs on which the clients may run.
        duration_ns: from before its first attempt until after its last one.
        samples: during that time, on all CPUs.
    """

    act: str
    cpus: list[int]
    duration_ns: int
    samples: int


class ProfileReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a run was profiled. Its times include what sampling costs, and are not compared with those of others.

    Attributes:
        program: what took the samples, and its version.
        rate_hz: samples a second on each CPU, within RATES_HZ.
        lost: samples that did not fit into its buffers.
        failure: why there are no stacks, or not of all acts; empty where nothing is missing.
        acts: the storms that were profiled.
    """

    program: str
    rate_hz: Rate
    lost: int
    failure: str
    acts: list[ActProfile]

    @property
    def period_ns(self) -> int:
        """The CPU time for which a sample stands."""
        return SECOND_NS // self.rate_hz


def folded_text(stacks: Mapping[Stack, int]) -> str:
    """Return stacks as folded text, in their order."""
    return "".join(f"{';'.join(map(frame_text, stack))} {count}\n" for stack, count in sorted(stacks.items()))


def frame_text(frame: str) -> str:
    """Return a frame without what would end it."""
    return SEPARATORS.sub("_", frame)


def parse_folded(text: str) -> Stacks:
    """Return the stacks of a folded text; equal stacks are added.

    Raises:
        ValueError: a line is no stack; the message says which one.
    """
    stacks: Stacks = {}
    samples = 0
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else [], start=1):
        frames, _, count = line.rpartition(" ")
        stack = tuple(frames.split(";"))
        if not (is_stack(stack) and COUNT.fullmatch(count)):
            raise ValueError(f"line {number} is no stack: {line[:80]!r}")
        stacks[stack] = stacks.get(stack, 0) + int(count)
        samples += int(count)
        if samples > COUNT_MAX:
            raise ValueError(f"its stacks have more than {COUNT_MAX:,} samples, from line {number} on")
    return stacks


def is_stack(stack: Stack) -> bool:
    """Return whether frames are a stack as it is written: of client and server with what led into the kernel."""
    least = HEAD + (len(stack) >= HEAD and stack[HEAD - 1] in {CLIENT, SERVER})
    return least <= len(stack) <= DEPTH_MAX and all(
        frame and len(frame) <= NAME_MAX and not SEPARATORS.search(frame) for frame in stack
    )
