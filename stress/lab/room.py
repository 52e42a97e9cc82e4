# SPDX-License-Identifier: MIT
"""How much memory and how many processes there is room for: on this host, for this user, in this control group."""

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
GROUPS = Path("/sys/fs/cgroup")
KIB = 1024
# Of control groups of version 2, in the order of the kernel's documentation (admin-guide/cgroup-v2.rst), and version 1.
MEMORY_FILES = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
PIDS_FILES = ("pids.max", "pids.current")
GIVEN_BACK = ("inactive_file", "active_file", "slab_reclaimable")  # of memory.stat: what the kernel takes back


@dataclass(frozen=True)
class Room:
    """What is left of something that is limited.

    Attributes:
        left: bytes, or processes.
        limited_by: what says so.
    """

    left: int
    limited_by: str


def memory_room(proc: Path = PROC, groups: Path = GROUPS) -> Room | None:
    """Return how many bytes of memory can still be had here; None where the kernel says nothing."""
    rooms = [Room(free, "MemAvailable") for free in [read_meminfo(proc).get("MemAvailable")] if free is not None]
    for folder in own_groups(proc, groups, "memory"):
        for limit_name, used_name in MEMORY_FILES:
            limit, used = read_number(folder / limit_name), read_number(folder / used_name)
            if limit is not None and used is not None:
                stat = read_words(folder / "memory.stat")
                left = limit - used + sum(stat.get(name, 0) for name in GIVEN_BACK)
                rooms.append(Room(max(left, 0), f"{limit_name} of the control group"))
    return min(rooms, key=lambda room: room.left, default=None)


def process_room(proc: Path = PROC, groups: Path = GROUPS) -> Room | None:
    """Return how many processes can still be started here; None where nothing limits them."""
    rooms = []
    limit, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if limit != resource.RLIM_INFINITY and not is_root_of_host(proc):  # whom copy_process() does not limit
        rooms.append(Room(max(limit - count_own_tasks(proc), 0), "ulimit -u"))
    for folder in own_groups(proc, groups, "pids"):
        most, now = (read_number(folder / name) for name in PIDS_FILES)
        if most is not None and now is not None:
            rooms.append(Room(max(most - now, 0), "pids.max of the control group"))
    return min(rooms, key=lambda room: room.left, default=None)


def own_groups(proc: Path, groups: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of the control groups of this process that may limit something, from the inmost outwards.

    A container sees its own group as the root of all, while its path may be that of the host: then the root is taken.
    """
    for line in read_text(proc / "self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        mount = {"": groups, controller: groups / controller}.get(names)
        if mount is None:
            continue
        inmost = mount / path.lstrip("/")
        folder = inmost if ".." not in inmost.parts and inmost.is_dir() else mount
        while True:
            yield folder
            if folder == mount:
                break
            folder = folder.parent


def is_root_of_host(proc: Path) -> bool:
    """Return whether this process is root, and not only that of a user namespace."""
    return os.geteuid() == 0 and read_text(proc / "self/uid_map").split() == ["0", "0", str(2**32 - 1)]


def count_own_tasks(proc: Path) -> int:
    """Return how many tasks, threads included, this user has: what RLIMIT_NPROC counts."""
    own, count = str(os.getuid()), 0
    for status in proc.glob("[0-9]*/status"):
        lines = dict(line.split(":", 1) for line in read_text(status).splitlines() if ":" in line)
        if lines.get("Uid", "").split()[:1] == [own]:
            count += int(lines.get("Threads", "1"))
    return count


def read_meminfo(proc: Path) -> dict[str, int]:
    """Return the lines of /proc/meminfo by name, in bytes."""
    lines = (line.split(":", 1) for line in read_text(proc / "meminfo").splitlines() if ":" in line)
    return {name: int(rest.split()[0]) * KIB for name, rest in lines}


def read_words(path: Path) -> dict[str, int]:
    """Return a file of lines of a name and a number."""
    pairs = (line.split() for line in read_text(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


def read_number(path: Path) -> int | None:
    """Return the number in a file; None where there is none, or ``max``."""
    text = read_text(path).strip()
    return int(text) if text.isascii() and text.isdecimal() else None


def read_text(path: Path) -> str:
    """Return a file of the kernel; an empty text where there is none."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
