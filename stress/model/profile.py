# SPDX-License-Identifier: MIT
"""A profile: what the kernel did during the storms of a run, as counted stacks. Imports no numpy.

A stack is a tuple of frames, the outermost first: the act, whether it was on a CPU of the clients, whose it was, the
system call or what else led into the kernel, and the kernel's functions. The folded text has a line for each, as
flame graphs are drawn of: frames that are joined by semicolons, a blank, and how many samples had them.
"""

import re
from collections.abc import Mapping

import msgspec

from stress.model.units import SECOND_NS

Stack = tuple[str, ...]
Stacks = dict[Stack, int]

RATE_HZ = 499  # not a multiple of the timer's frequency, so that samples do not fall in step with it
RATES_HZ = (1, 10_000)

CLIENT_CPU, OTHER_CPU = "clients' CPUs", "other CPUs"
CLIENT, SERVER, PROFILER, IDLE, OTHER = "client", "server", "perf", "idle", "other"
USER_MODE, NO_CALL = "user mode", "no call"  # in place of a system call: interrupts, faults, threads of the kernel
HEAD = 3  # frames before the system call: act, CPU, whose it was
SEPARATORS = re.compile(r"[;\x00-\x1f\x7f-\x9f\u2028\u2029]")  # what would end a frame or a line


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
        rate_hz: samples a second on each CPU.
        lost: samples that did not fit into its buffers.
        failure: why there are no stacks, or not of all acts; empty where nothing is missing.
        acts: the storms that were profiled.
    """

    program: str
    rate_hz: int
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
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else [], start=1):
        frames, _, count = line.rpartition(" ")
        stack = tuple(frames.split(";"))
        if not (count.isascii() and count.isdecimal() and int(count) > 0 and len(stack) >= HEAD and all(stack)):
            raise ValueError(f"line {number} is no stack: {line[:80]!r}")
        stacks[stack] = stacks.get(stack, 0) + int(count)
    return stacks
