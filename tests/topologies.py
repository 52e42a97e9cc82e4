# SPDX-License-Identifier: MIT
"""Topologies of machines that are not here, as folders like /sys/devices that are made of short descriptions.

A description is a list of blocks of cores that share a last-level cache. CPUs are numbered as firmware does: the second
threads of all cores after the first ones ("last"), or next to them ("adjacent").
"""

import json
from pathlib import Path

from stress.lab import cpu_topology

DESCRIPTIONS = Path(__file__).parent / "data" / "topologies"
NAMES = sorted(path.stem for path in DESCRIPTIONS.glob("*.json"))
BLOCK = {"package": 0, "node": 0, "cores": 1, "threads": 1, "repeat": 1, "kind": "", "capacity": None, "cache": None}


def read_named(name, folder):
    """Return a topology as it is read on the machine that a file describes."""
    return read_described(json.loads((DESCRIPTIONS / f"{name}.json").read_text()), folder)


def read_described(description, folder):
    cpus = write_devices(description, folder / "devices")
    affinity = description.get("affinity")
    (folder / "proc/self").mkdir(parents=True)
    (folder / "proc/self/cgroup").write_text("0::/job\n")
    (folder / "groups/job").mkdir(parents=True)
    (folder / "groups/job/cpu.max").write_text(description.get("cpu.max", "max 100000") + "\n")
    return cpu_topology.read_topology(
        folder / "devices",
        cpus if affinity is None else cpu_topology.parse_cpus(affinity),
        folder / "proc",
        folder / "groups",
    )


def write_devices(description, devices):
    """Write the folder; return the numbers of all CPUs."""
    threads = [thread for block in expand_blocks(description["blocks"]) for thread in block]
    if description.get("siblings", "last") == "last":
        threads.sort(key=lambda thread: thread["round"])  # stable
    for number, thread in enumerate(threads):
        thread["number"] = number
    offline = cpu_topology.parse_cpus(description.get("offline", ""))
    online = [thread for thread in threads if thread["number"] not in offline]
    system = devices / "system/cpu"
    write(system / "present", listed(threads))
    write(system / "online", listed(online))
    write(system / "isolated", description.get("isolated", ""))
    for thread in online:  # of a CPU that is off, sysfs tells nothing
        folder = system / f"cpu{thread['number']}"
        write(folder / "topology/physical_package_id", thread["package"])
        write(folder / "topology/thread_siblings_list", listed(same(online, thread, "core")))
        write(folder / "topology/package_cpus_list", listed(same(online, thread, "package")))
        for level, shared in ((1, "core"), (2, "core"), (3, "cache")):
            write(folder / f"cache/index{level}/level", level)
            write(folder / f"cache/index{level}/shared_cpu_list", listed(same(online, thread, shared)))
        if thread["capacity"]:
            write(folder / "cpu_capacity", thread["capacity"])
    for kind in {thread["kind"] for thread in threads} - {""}:
        write(devices / kind / "cpus", listed([thread for thread in threads if thread["kind"] == kind]))
    for node in {*(thread["node"] for thread in threads), *description.get("memory nodes", [])}:
        write(devices / f"system/node/node{node}/cpulist", listed([t for t in online if t["node"] == node]))
    return [thread["number"] for thread in threads]


def expand_blocks(blocks):
    cores = 0
    for number, block in enumerate(blocks):
        whole = BLOCK | block
        for time in range(whole["repeat"]):
            cache = whole["cache"] if whole["cache"] is not None else (number, time)
            yield [
                whole | {"cache": cache, "core": cores + core, "round": thread}
                for core in range(whole["cores"])
                for thread in range(whole["threads"])
            ]
            cores += whole["cores"]


def same(threads, thread, what):
    return [other for other in threads if other[what] == thread[what]]


def listed(threads):
    return cpu_topology.cpus_text([thread["number"] for thread in threads])


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{value}\n")
