# SPDX-License-Identifier: MIT
"""The CPUs that this process may use: their cores, last-level caches and NUMA nodes. Imports no numpy."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from stress.lab.room import GROUPS, PROC, own_groups, read_number, read_text

DEVICES = Path("/sys/devices")
FULL_CAPACITY = 1024  # SCHED_CAPACITY_SCALE: of the fastest kind of core
PERFORMANCE, EFFICIENCY, LOW_POWER = "cpu_core", "cpu_atom", "cpu_lowpower"  # as perf's devices on x86 are named


class Cpu(msgspec.Struct, frozen=True):
    """One logical CPU.

    Attributes:
        number: as the kernel counts.
        core: the lowest CPU of its physical core; hyper-threads of one core are siblings.
        cache: the lowest CPU of those that share its last-level cache.
        node: its NUMA node.
        package: its socket.
        kind: of its core, where there are several: cpu_core, cpu_atom or cpu_lowpower.
        capacity: how fast its core is, 1024 being the fastest of this machine.
    """

    number: int
    core: int
    cache: int
    node: int
    package: int
    kind: str = ""
    capacity: int = FULL_CAPACITY


class Topology(msgspec.Struct, frozen=True):
    """The CPUs of a machine that this process may use.

    Attributes:
        cpus: by number; the affinity of the process and the cpuset of its control group are respected.
        online: how many CPUs run.
        offline: how many there are that do not.
        isolated: CPUs that the scheduler leaves alone (isolcpus).
        quota: how many CPUs' time the control group allows (cpu.max); None is no limit.
    """

    cpus: list[Cpu]
    online: int
    offline: int = 0
    isolated: list[int] = []
    quota: float | None = None

    @property
    def cores(self) -> int:
        """How many physical cores these CPUs are of."""
        return len({cpu.core for cpu in self.cpus})


def read_topology(
    devices: Path = DEVICES,
    affinity: Collection[int] | None = None,
    proc: Path = PROC,
    groups: Path = GROUPS,
) -> Topology:
    """Read what sysfs says of the CPUs; what it does not say is as on a machine with one package and one node.

    Args:
        devices: /sys/devices, or a folder like it.
        affinity: CPUs that the process may use; None: those of this process.
        proc: /proc, or a folder like it.
        groups: where control groups are mounted.
    """
    usable = os.sched_getaffinity(0) if affinity is None else set(affinity)
    folder = devices / "system/cpu"
    online = read_cpus(folder / "online") or sorted(usable)
    present = read_cpus(folder / "present") or online
    nodes = dict(read_nodes(devices / "system/node"))
    kinds = {cpu: kind for kind in (PERFORMANCE, EFFICIENCY, LOW_POWER) for cpu in read_cpus(devices / kind / "cpus")}
    return Topology(
        cpus=[
            read_cpu(folder / f"cpu{number}", number, nodes.get(number, 0), kinds.get(number, ""))
            for number in online
            if number in usable
        ],
        online=len(online),
        offline=len(set(present) - set(online)),
        isolated=[number for number in read_cpus(folder / "isolated") if number in usable],
        quota=read_quota(proc, groups),
    )


def read_cpu(folder: Path, number: int, node: int, kind: str) -> Cpu:
    """Return one CPU, of which a folder of sysfs tells."""
    topology = folder / "topology"
    package = read_number(topology / "physical_package_id")
    of_package = read_first(topology, "package_cpus_list", "core_siblings_list")
    return Cpu(
        number=number,
        core=min(read_first(topology, "core_cpus_list", "thread_siblings_list") or [number]),
        cache=min(read_last_cache(folder / "cache") or of_package or [0]),
        node=node,
        package=package or 0,
        kind=kind,
        capacity=read_number(folder / "cpu_capacity") or FULL_CAPACITY,
    )


def read_first(folder: Path, *names: str) -> list[int]:
    """Return the CPUs in the first of some files that has any; older kernels have other names for the same."""
    return next((cpus for name in names if (cpus := read_cpus(folder / name))), [])


def read_last_cache(folder: Path) -> list[int]:
    """Return the CPUs that share the last level of a CPU's caches; none where that is not known."""
    levels = {read_number(index / "level") or 0: index for index in folder.glob("index*")}
    return read_cpus(levels[max(levels)] / "shared_cpu_list") if levels else []


def read_nodes(folder: Path) -> Iterator[tuple[int, int]]:
    """Yield each CPU with its NUMA node; a node that has memory alone has no CPU."""
    for node in folder.glob("node[0-9]*"):
        for cpu in read_cpus(node / "cpulist"):
            yield cpu, int(node.name.removeprefix("node"))


def read_cpus(path: Path) -> list[int]:
    """Return the CPUs of a list such as ``0-3,8``; an empty list where there is no such file."""
    return parse_cpus(read_text(path).strip())


def parse_cpus(text: str) -> list[int]:
    """Return the numbers of a list such as ``0-3,8``."""
    cpus: list[int] = []
    for part in filter(None, text.split(",")):
        low, _, high = part.partition("-")
        cpus += range(int(low), int(high or low) + 1)
    return cpus


def cpus_text(cpus: Collection[int]) -> str:
    """Return CPUs as a list such as ``0-3,8``."""
    parts: list[list[int]] = []
    for cpu in sorted(cpus):
        if parts and parts[-1][-1] == cpu - 1:
            parts[-1][1:] = [cpu]
        else:
            parts.append([cpu])
    return ",".join("-".join(map(str, part)) for part in parts)


def read_quota(proc: Path, groups: Path) -> float | None:
    """Return how many CPUs' time the control groups of this process allow, at most; None where none limits it."""
    quotas = []
    for folder in own_groups(proc, groups, "cpu"):
        limit, _, period = read_text(folder / "cpu.max").strip().partition(" ")
        if limit.isdecimal() and period.isdecimal():
            quotas.append(int(limit) / int(period))
    return min(quotas, default=None)
