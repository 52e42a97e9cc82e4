# SPDX-License-Identifier: MIT
"""Who holds a socket: program and process where /proc shows it, else the user."""

import functools
import os
import pwd
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from stress.model.errors import LabError, UsageError

PROC = Path("/proc")
SOCKET_LINK = "socket:["
SERVICE_MANAGER = "systemd"  # it holds the listeners of the services that it starts, systemd.socket(5)
STOPPED = ("T", "t")  # by a signal, or by a debugger: proc_pid_stat(5)


def find_owners(inodes: Collection[int]) -> dict[int, str]:
    """Return ``name[pid]`` of a process that holds each socket, by inode; see ``list_holders`` for what is left out."""
    named = name_owners(list_holders(inodes))
    return {inode: f"{name}[{pid}]" for inode, (name, pid) in named.items()}


def list_holders(inodes: Collection[int]) -> dict[int, list[int]]:
    """Return the processes that hold each socket, ascending, by inode.

    Only processes whose descriptors may be read: those of the same user, for root all. Sockets of others are left out,
    as are those that no process holds, whose inode is 0. Costs 4 µs for each open descriptor of the host.
    """
    holders: dict[int, list[int]] = {}
    wanted = frozenset(inodes) - {0}
    for pid in list_processes() if wanted else ():
        with suppress(OSError):  # it has ended, or belongs to somebody else
            for inode in wanted.intersection(read_inodes(pid)):
                holders.setdefault(inode, []).append(pid)
    return holders


def list_processes() -> list[int]:
    """Return the ids of all processes that /proc shows, ascending."""
    return sorted(int(name) for name in os.listdir(PROC) if name.isdecimal())  # noqa: PTH208  # numbers, not paths


def read_inodes(pid: int) -> list[int]:
    """Return the inode of each descriptor of a process that is a socket.

    Raises:
        OSError: it has ended, or its descriptors may not be read.
    """
    inodes = []
    folder = os.open(PROC / str(pid) / "fd", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in os.listdir(folder):  # noqa: PTH208  # names within an open folder
            try:
                link = os.readlink(name, dir_fd=folder)
            except OSError:  # closed meanwhile
                continue
            if link.startswith(SOCKET_LINK):
                inodes.append(int(link[len(SOCKET_LINK) : -1]))
    finally:
        os.close(folder)
    return inodes


def check_visible(pid: int) -> None:
    """Raise unless the descriptors of a process may be read.

    Raises:
        UsageError: there is no such process.
        LabError: this user may not read them.
    """
    try:
        os.close(os.open(PROC / str(pid) / "fd", os.O_RDONLY | os.O_DIRECTORY))
    except PermissionError as error:
        raise LabError(
            f"This user may not see which sockets process {pid} has; look as root (sudo) or as the user who started it."
        ) from error
    except OSError as error:
        raise UsageError(f"There is no process {pid} here; give the id that it has on this host.") from error


def is_any_hidden() -> bool:
    """Return whether /proc shows a process whose descriptors this user may not read."""
    folders = (PROC / str(pid) / "fd" for pid in list_processes())
    return any(folder.parent.exists() and not os.access(folder, os.R_OK) for folder in folders)


def name_owners(holders: Mapping[int, Sequence[int]]) -> dict[int, tuple[str, int]]:
    """Return name and id of the process that is named of those that hold each socket, by inode.

    A process that has ended meanwhile is left out.
    """
    owners: dict[tuple[int, ...], tuple[str, int] | None] = {}
    by_inode = {}
    for inode, pids in holders.items():
        key = tuple(pids)
        if key not in owners:
            owners[key] = choose_owner(pids)
        if (owner := owners[key]) is not None:
            by_inode[inode] = owner
    return by_inode


def choose_owner(pids: Sequence[int]) -> tuple[str, int] | None:
    """Return name and id of the first of some processes that is not the service manager; None when all have ended."""
    names = [(name, pid) for pid in pids if (name := read_name(pid)) is not None]
    return next((named for named in names if named[0] != SERVICE_MANAGER), names[0] if names else None)


def read_name(pid: int) -> str | None:
    """Return the name of a process, with ? for what a terminal might obey, as ps(1) has it; None when it has ended."""
    with suppress(OSError):
        name = (PROC / str(pid) / "comm").read_text(errors="replace").removesuffix("\n")
        return "".join(letter if letter.isprintable() else "?" for letter in name).strip()
    return None


def describe_holders(inodes: Collection[int]) -> list[str]:
    """Return ``name[pid]`` of every process that holds one of some sockets, with a note where it is stopped."""
    pids = sorted({pid for pids in list_holders(inodes).values() for pid in pids})
    names = {pid: name for pid in pids if (name := read_name(pid)) is not None}
    return [f"{name}[{pid}]{' (stopped)' if is_stopped(pid) else ''}" for pid, name in names.items()]


def is_stopped(pid: int) -> bool:
    """Return whether a process is stopped."""
    with suppress(OSError):  # it has ended
        return (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] in STOPPED
    return False


def user_text(uid: int) -> str:
    """Return a user as ``uid 33 (www-data)``, or without a name where there is none."""
    name = user_name(uid)
    return f"uid {uid} ({name})" if name else f"uid {uid}"


@functools.cache  # the directory of users may be on another host
def user_name(uid: int) -> str | None:
    """Return the name of a user; None where there is none."""
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return None
