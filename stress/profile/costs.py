# SPDX-License-Identifier: MIT
"""Costs: the stacks of one storm as CPU time for an attempt, by system call and by function, and their book."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import sqrt

from stress.model.profile import (
    CLIENT,
    CLIENT_CPU,
    HEAD,
    IDLE,
    OTHER,
    PROFILER,
    SERVER,
    ActProfile,
    ProfileReport,
    Stack,
    Stacks,
)
from stress.model.record import Record

# cpu-clock is a timer: where interrupts are off, its sample is taken as soon as they are on again. These functions turn
# them on, and so have the samples of what ran before them.
ENABLES_INTERRUPTS = frozenset(
    {
        "___slab_alloc",
        "__do_softirq",
        "__slab_alloc",
        "_raw_spin_unlock_irq",
        "_raw_spin_unlock_irqrestore",
        "do_softirq",
        "enqueue_to_backlog",
        "exit_to_user_mode_loop",
        "finish_task_switch",
        "handle_softirqs",
        "irqentry_exit",
        "net_rx_action",
        "process_backlog",
    }
)
Z_975 = 1.96  # 97.5 % quantile of the normal distribution, near which Poisson counts are
ROLES_HERE = (SERVER, PROFILER, OTHER, IDLE)  # of the clients' CPUs, in the order of a book


@dataclass(frozen=True)
class Cost:
    """What something costs.

    Attributes:
        name: a system call, a function, or whose it was.
        samples: in which it was seen.
        own: those of these in which it was the innermost.
        ns: CPU time for an attempt that its samples stand for.
        error_ns: how far that is from what it would be without the chance of sampling, in 19 of 20 cases.
        own_ns: the same as ``ns`` of ``own``.
    """

    name: str
    samples: int
    own: int
    ns: float
    error_ns: float
    own_ns: float

    @property
    def is_displaced(self) -> bool:
        """Whether its own samples are also those of what ran before it with interrupts off."""
        return self.own > 0 and self.name.partition(".")[0] in ENABLES_INTERRUPTS


@dataclass(frozen=True)
class ActCosts:
    """The costs of one storm, per attempt.

    Attributes:
        act: its name.
        attempts: how many it made.
        cpus: on which the clients could run.
        measured_ns: time of these CPUs for an attempt, by the clock.
        client: all that the clients did on these CPUs.
        calls: of the clients, by system call, the most expensive first.
        here: what else was on these CPUs: server, perf, others, idle.
        functions: of the clients, with what they called, the most expensive first.
        server: all that the server did, on any CPU.
        server_calls: of the server, by system call.
    """

    act: str
    attempts: int
    cpus: list[int]
    measured_ns: float
    client: Cost
    calls: list[Cost]
    here: list[Cost]
    functions: list[Cost]
    server: Cost
    server_calls: list[Cost]

    @property
    def unsampled_ns(self) -> float:
        """Time of the clients' CPUs for an attempt for which there is no sample."""
        return self.measured_ns - self.client.ns - sum(cost.ns for cost in self.here)


@dataclass(frozen=True)
class Price:
    """What a sample of a storm stands for: CPU time for an attempt (ns)."""

    ns: float

    def cost(self, name: str, samples: int, own: int = 0) -> Cost:
        """Return the cost of something that was seen in some samples."""
        return Cost(name, samples, own, samples * self.ns, Z_975 * sqrt(samples) * self.ns, own * self.ns)

    def costs(self, samples: Mapping[str, int], own: Mapping[str, int] | None = None) -> list[Cost]:
        """Return the costs of several, the most expensive first."""
        ordered = sorted(samples.items(), key=lambda item: (-item[1], item[0]))
        return [self.cost(name, count, (own or {}).get(name, 0)) for name, count in ordered]


def run_costs(record: Record, stacks: Stacks) -> Iterator[ActCosts]:
    """Yield the costs of each profiled storm of a run that made attempts."""
    report = record.profiled
    if not isinstance(report, ProfileReport):
        return
    attempts = {act.name: act.attempts for act in record.acts}
    for profile in report.acts:
        if attempts.get(profile.act):
            own = {stack[1:]: count for stack, count in stacks.items() if stack[0] == profile.act}
            yield act_costs(profile, own, Price(report.period_ns / attempts[profile.act]), attempts[profile.act])


def act_costs(profile: ActProfile, stacks: Mapping[Stack, int], price: Price, attempts: int) -> ActCosts:
    """Return the costs of one storm.

    Args:
        profile: of the storm.
        stacks: its own, without the name of the act.
        price: of a sample.
        attempts: how many it made.
    """
    client = {stack: count for stack, count in stacks.items() if stack[1] == CLIENT and stack[0] == CLIENT_CPU}
    server = {stack: count for stack, count in stacks.items() if stack[1] == SERVER}
    here = {role: sum(n for stack, n in stacks.items() if stack[:2] == (CLIENT_CPU, role)) for role in ROLES_HERE}
    return ActCosts(
        act=profile.act,
        attempts=attempts,
        cpus=profile.cpus,
        measured_ns=profile.duration_ns * len(profile.cpus) / attempts,
        client=price.cost(CLIENT, sum(client.values())),
        calls=price.costs(count_calls(client)),
        here=[price.cost(role, count) for role, count in here.items() if count],
        functions=price.costs(*count_functions(client.items())),
        server=price.cost(SERVER, sum(server.values())),
        server_calls=price.costs(count_calls(server)),
    )


def count_calls(stacks: Mapping[Stack, int]) -> Counter[str]:
    """Return the samples of each system call; the stacks have no act."""
    calls: Counter[str] = Counter()
    for stack, count in stacks.items():
        calls[stack[HEAD - 1]] += count
    return calls


def count_functions(stacks: Iterable[tuple[Stack, int]]) -> tuple[Counter[str], Counter[str]]:
    """Return in how many samples each function was, and in how many it was the innermost; the stacks have no act."""
    inside: Counter[str] = Counter()
    innermost: Counter[str] = Counter()
    for stack, count in stacks:
        functions = stack[HEAD:]
        for name in set(functions):  # one that calls itself is in a sample once
            inside[name] += count
        if functions:
            innermost[functions[-1]] += count
    return inside, innermost
