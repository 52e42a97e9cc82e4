# SPDX-License-Identifier: MIT
"""Which CPUs clients and servers get for each number of pairs, as text."""

import textwrap
from collections.abc import Iterator
from itertools import groupby

from stress.lab.cpu_pairs import GivenUp, Pair, Placement, most_pairs, place_pairs, placement_sentences
from stress.lab.cpu_topology import Topology, cpus_text
from stress.model.text import join_words, plural

WIDTH = 80


def plan_text(topology: Topology, steps: list[int]) -> str:
    """Return the CPUs, the pairs of the largest step by where they are, and what each step gives up."""
    lines = [topology_text(topology)]
    if topology.isolated:
        lines.append(f"Isolated from the scheduler, and used all the same: CPUs {cpus_text(topology.isolated)}.")
    lines += ["", f"client→server, {steps_text(steps)} at a time:"]
    whole = [count for count in steps if place_pairs(topology, count).given_up is not GivenUp.CPUS]
    shown = [place_pairs(topology, whole[-1])] if whole else []
    shown += [place_pairs(topology, steps[-1])] if steps[-1] not in whole else []
    for placement in shown:
        lines += list(placement_lines(placement))
    said: list[str] = []
    for count in [*steps, *beyond(topology, steps[-1])]:
        new = [text for text in placement_sentences(topology, place_pairs(topology, count)) if text not in said]
        said += new
    return "\n".join(line for text in [*lines, *([""] if said else []), *said] for line in wrapped(text))


def steps_text(steps: list[int]) -> str:
    """Return how many pairs the steps have."""
    return f"{join_words([str(count) for count in steps])} {'pair' if steps == [1] else 'pairs'}"


def topology_text(topology: Topology) -> str:
    """Return the CPUs that this process may use in one sentence."""
    cpus = topology.cpus
    counts = [
        plural(topology.cores, "core"),
        plural(len({(cpu.node, cpu.cache) for cpu in cpus}), "last-level cache"),
        plural(len({cpu.node for cpu in cpus}), "NUMA node"),
        plural(len({cpu.package for cpu in cpus}), "package"),
    ]
    offline = f" ({topology.offline} more offline)" if topology.offline else ""
    kinds = {(cpu.kind, cpu.capacity) for cpu in cpus}
    several = f" Cores of {len(kinds)} kinds." if len(kinds) > 1 else ""
    quota = "" if topology.quota is None else f" Control group: the time of {topology.quota:g} CPUs (cpu.max)."
    usable = f"{len(cpus)} of {plural(topology.online, 'online CPU')}{offline}"
    return f"{usable}: {', '.join(counts)}.{several}{quota}"


def beyond(topology: Topology, last: int) -> Iterator[int]:
    """Yield the numbers of pairs beyond the last step with which more has to be given up, where there are any."""
    for count in sorted({most_pairs(topology) + 1, len(topology.cpus) // 2 + 1}):
        if last < count <= len(topology.cpus):
            yield count


def placement_lines(placement: Placement) -> Iterator[str]:
    """Yield the pairs, in their order, of each node and last-level cache."""
    for (node, cache), pairs in groupby(placement.pairs, key=where):
        caches = f" cache of CPU {cache}" if cache is not None else ""
        places = f"node {node}{caches}" if node is not None else "across nodes"
        yield f"  {places}: {' '.join(f'{pair.client.number}→{pair.server.number}' for pair in pairs)}"


def where(pair: Pair) -> tuple[int | None, int | None]:
    """Return the node and the last-level cache that both CPUs have; None for what they do not share."""
    node = pair.client.node if pair.client.node == pair.server.node else None
    return node, pair.client.cache if node is not None and pair.client.cache == pair.server.cache else None


def wrapped(line: str) -> list[str]:
    """Return a line, wrapped."""
    indent = "    " if line.startswith(" ") else ""
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]
