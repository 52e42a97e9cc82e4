# SPDX-License-Identifier: MIT
"""Pairs of CPUs, one for a client and one for its server, from the topology of a machine.

A pair has two physical cores that share a last-level cache, or a NUMA node at least, and the hyper-thread siblings of
both stay free. What is given up where there are too few cores has an order: siblings are shared by several pairs; then
client and server are the two threads of one core; then each pair has one CPU. The pairs are in such an order that those
of a smaller number are the first ones of a larger, as long as nothing more is given up.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from enum import IntEnum

import msgspec

from stress.lab.cpu_topology import EFFICIENCY, FULL_CAPACITY, LOW_POWER, PERFORMANCE, Cpu, Topology
from stress.model.errors import UsageError
from stress.model.text import plural

KINDS = (PERFORMANCE, "", EFFICIENCY, LOW_POWER)  # the fastest first


class GivenUp(IntEnum):
    """What a placement gives up, each more than the one before."""

    NOTHING = 0
    SIBLINGS = 1  # a core is shared with another pair
    CORES = 2  # client and server are two threads of one core
    CPUS = 3  # client and server are on one CPU


class Pair(msgspec.Struct, frozen=True):
    """The CPUs of a client and of its server."""

    client: Cpu
    server: Cpu


class Placement(msgspec.Struct, frozen=True):
    """Pairs, and what is given up for their number."""

    pairs: list[Pair]
    given_up: GivenUp = GivenUp.NOTHING

    @property
    def clients(self) -> list[int]:
        """The CPU of each client."""
        return [pair.client.number for pair in self.pairs]

    @property
    def servers(self) -> list[int]:
        """The CPU of each server."""
        return [pair.server.number for pair in self.pairs]


def speed_rank(cpu: Cpu) -> tuple[int, int]:
    """Return what orders kinds of cores, the fastest first."""
    return FULL_CAPACITY - cpu.capacity, KINDS.index(cpu.kind)


# What the CPUs of a pair have in common, the nearest first.
NEARNESS: tuple[Callable[[Cpu], Hashable], ...] = (
    lambda cpu: (speed_rank(cpu), cpu.node, cpu.cache),
    lambda cpu: (speed_rank(cpu), cpu.node),
    lambda cpu: cpu.node,
    speed_rank,
    lambda _: 0,
)

DIFFERENCES: tuple[tuple[str, Callable[[Cpu, Cpu], bool]], ...] = (
    ("are two threads of one core", lambda client, server: client.core == server.core),
    ("are on different NUMA nodes", lambda client, server: client.node != server.node),
    (
        "have different last-level caches of one node",
        lambda client, server: client.node == server.node and client.cache != server.cache,
    ),
    ("have cores of two kinds", lambda client, server: speed_rank(client) != speed_rank(server)),
)


def place_pairs(topology: Topology, count: int) -> Placement:
    """Return so many pairs.

    Raises:
        UsageError: there are fewer CPUs than pairs.
    """
    if count > len(topology.cpus):
        raise UsageError(
            f"{plural(count, 'pair')} of client and server need {plural(count, 'CPU')} at least, and this process may "
            f"use {len(topology.cpus)}; give fewer."
        )
    pairs = list(pairs_in_order(topology.cpus))
    if count <= len(pairs):
        chosen = pairs[:count]
        return Placement([pair for pair, _ in chosen], max((given_up for _, given_up in chosen), default=GivenUp(0)))
    return Placement([Pair(cpu, cpu) for cpu in cores_first(topology.cpus)[:count]], GivenUp.CPUS)


def most_pairs(topology: Topology) -> int:
    """Return for how many pairs nothing has to be given up; 1 at least."""
    return max(1, sum(given_up is GivenUp.NOTHING for _, given_up in pairs_in_order(topology.cpus)))


def pairs_in_order(cpus: Iterable[Cpu]) -> Iterator[tuple[Pair, GivenUp]]:
    """Yield all pairs of two CPUs, with what each gives up."""
    ordered = cores_first(cpus)
    cores = len({cpu.core for cpu in ordered})
    left, siblings = ordered[:cores], ordered[cores:]
    for given_up in (GivenUp.NOTHING, GivenUp.SIBLINGS, GivenUp.CORES):
        for nearness in NEARNESS:
            groups: defaultdict[Hashable, list[Cpu]] = defaultdict(list)
            for cpu in left:
                groups[nearness(cpu)].append(cpu)
            for group in groups.values():
                while (pair := next_pair(group, one_core=given_up is GivenUp.CORES)) is not None:
                    for cpu in (pair.client, pair.server):
                        group.remove(cpu)
                        left.remove(cpu)
                    yield pair, given_up
        left, siblings = left + siblings, []


def next_pair(cpus: list[Cpu], *, one_core: bool) -> Pair | None:
    """Return two CPUs of different cores, or with ``one_core`` of one; None where there are none.

    They are of the cores that have the most left, so that as few as possible remain without another core.
    """
    cores: defaultdict[int, list[Cpu]] = defaultdict(list)
    for cpu in cpus:
        cores[cpu.core].append(cpu)
    fullest = sorted(cores.values(), key=len, reverse=True)  # stable: else in the order of the CPUs
    if one_core:
        return Pair(*fullest[0][:2]) if fullest and len(fullest[0]) > 1 else None
    return Pair(fullest[0][0], fullest[1][0]) if len(fullest) > 1 else None


def cores_first(cpus: Iterable[Cpu]) -> list[Cpu]:
    """Return CPUs in the order in which they are used: one of each core, then the siblings; fast cores first."""
    rank: dict[int, int] = defaultdict(int)
    ordered = []
    for cpu in sorted(cpus, key=lambda cpu: (speed_rank(cpu), cpu.node, cpu.cache, cpu.number)):
        ordered.append((rank[cpu.core], cpu))
        rank[cpu.core] += 1
    return [cpu for _, cpu in sorted(ordered, key=lambda item: item[0])]


def place_workers(topology: Topology, workers: int) -> tuple[list[int], int | None]:
    """Return a CPU for each of several clients, and one for a server that all of them share; None where none is left.

    All are near each other if cores of one last-level cache, or of one node, are enough.
    """
    ordered = cores_first(topology.cpus)
    for nearness in NEARNESS[:3]:
        groups: defaultdict[Hashable, list[Cpu]] = defaultdict(list)
        for cpu in ordered:
            groups[nearness(cpu)].append(cpu)
        near = [group for group in groups.values() if len({cpu.core for cpu in group}) > workers]
        if near:
            ordered = near[0]
            break
    numbers = [cpu.number for cpu in ordered]
    return numbers[:workers], numbers[workers] if len(numbers) > workers else None


def placement_sentences(topology: Topology, placement: Placement) -> Iterator[str]:
    """Yield what is given up, and what else sets pairs apart from each other."""
    pairs, count = placement.pairs, len(placement.pairs)
    if placement.given_up is GivenUp.CPUS:
        yield (
            f"{plural(count, 'pair')}: {2 * count} CPUs needed, {len(topology.cpus)} available; client and server of "
            "each pair share one CPU."
        )
    elif placement.given_up:
        yield (
            f"{plural(count, 'pair')}: {2 * count} cores needed, {topology.cores} available; hyper-thread siblings are "
            "used too."
        )
    for what, is_so in DIFFERENCES:
        if of := sum(pair.client != pair.server and is_so(pair.client, pair.server) for pair in pairs):
            yield f"Client and server of {plural(of, 'pair')} {what}."
    slowest = [max(speed_rank(pair.client), speed_rank(pair.server)) for pair in pairs]
    if slower := sum(rank != min(slowest) for rank in slowest):
        yield f"The cores of {slower} of {plural(count, 'pair')} are slower than those of the others."
    if topology.quota is not None and topology.quota < 2 * count:
        yield (
            f"The control group allows the time of {topology.quota:g} CPUs (cpu.max), and {plural(count, 'pair')} "
            f"use {2 * count}: rates say more of that limit than of the kernel."
        )
