# SPDX-License-Identifier: MIT
"""A sampled storm: what one profiled trial says of one storm, and how often each function was seen in it."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from stress.model.profile import CLIENT, HEAD, SERVER, ProfileReport, Stack, Stacks
from stress.model.record import Record
from stress.profile.costs import ENABLES_INTERRUPTS

CALLED = HEAD - 1  # frames before the functions: whose it was, and the system call

Key = tuple[str, ...]  # a function; or whose it was, its system call, and a function; () is all of client and server
Arms = tuple[list[list["SampledStorm"]], list[list["SampledStorm"]]]  # base and new: of each unit its storms


@dataclass(frozen=True)
class SampledStorm:
    """One storm of one profiled trial.

    Attributes:
        ns: CPU time for an attempt that a sample stands for.
        measured_ns: time of the clients' CPUs for an attempt, by the clock.
        stacks: samples of client and server, on any CPU: whose it was, the system call, and the functions inwards.
        rate_hz: samples a second on each CPU; 0 where it is no matter.
    """

    ns: float
    measured_ns: float
    stacks: Mapping[Stack, int]
    rate_hz: int = 0

    @cached_property
    def counts(self) -> Counter[Key]:
        """Samples of each function, of each function in each place, and of all, which is ``()``."""
        counts: Counter[Key] = Counter()
        for stack, samples in self.stacks.items():
            counts[()] += samples
            for name in set(stack[CALLED:]):  # one that calls itself is in a sample once
                counts[name,] += samples
                counts[*stack[:CALLED], name] += samples
        return counts

    @cached_property
    def client_counts(self) -> Counter[str]:
        """Samples of the client of each function."""
        counts: Counter[str] = Counter()
        for stack, samples in self.stacks.items():
            if stack[0] == CLIENT:
                counts.update(dict.fromkeys(stack[CALLED:], samples))
        return counts

    def samples_without(self, name: str, others: Collection[str]) -> int:
        """Return in how many samples a function was, with none of others further in."""
        return sum(
            samples
            for stack, samples in self.stacks.items()
            if name in stack[CALLED:] and not any(other in others for other in stack[stack.index(name, CALLED) + 1 :])
        )

    def samples_below(self, name: str) -> Counter[str]:
        """Return in how many samples each function was further in than a function."""
        below: Counter[str] = Counter()
        for stack, samples in self.stacks.items():
            if name in stack[CALLED:]:
                below.update(dict.fromkeys(stack[stack.index(name, CALLED) + 1 :], samples))
        return below


def sampled_storms(record: Record, stacks: Stacks) -> dict[str, SampledStorm]:
    """Return the profiled storms of a run that made attempts, by the name of the act."""
    report = record.profiled
    attempts = {act.name: act.attempts for act in record.acts}
    storms = {}
    if not isinstance(report, ProfileReport):
        return {}
    for profile in report.acts:
        count = attempts.get(profile.act, 0)
        if count:
            own: Counter[Stack] = Counter()
            for stack, samples in stacks.items():
                if stack[0] == profile.act and stack[2] in (CLIENT, SERVER):
                    own[stack[2:]] += samples
            measured_ns = profile.duration_ns * len(profile.cpus) / count
            storms[profile.act] = SampledStorm(report.period_ns / count, measured_ns, own, report.rate_hz)
    return storms


def is_displaced(name: str, storms: Iterable[SampledStorm]) -> bool:
    """Return whether a function turns interrupts on, and was the innermost somewhere: it has what ran before."""
    enables = name.partition(".")[0] in ENABLES_INTERRUPTS
    return enables and any(stack[-1] == name for storm in storms for stack in storm.stacks)
