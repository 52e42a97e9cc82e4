# SPDX-License-Identifier: MIT
"""Who holds a socket: program and process where /proc shows it, else the user."""

import os
import pwd
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def find_owners(inodes: Collection[int]) -> dict[int, str]:
    """Return ``name[pid]`` of a process that holds each socket, by inode.

    Only processes whose descriptors may be read: those of the same user, for root all. Sockets of others are left out,
    as are those that no process holds, whose inode is 0.
    """
    owners: dict[int, str] = {}
    wanted = {f"socket:[{inode}]": inode for inode in inodes if inode}
    if not wanted:
        return owners
    for process in PROC.iterdir():
        if not process.name.isdecimal():
            continue
        with suppress(OSError):  # it has ended, or belongs to somebody else
            for descriptor in (process / "fd").iterdir():
                if inode := wanted.get(os.readlink(descriptor)):  # noqa: PTH115  # a link to no path
                    name = (process / "comm").read_text().strip()
                    owners.setdefault(inode, f"{name}[{process.name}]")
        if len(owners) == len(wanted):
            break
    return owners


def user_text(uid: int) -> str:
    """Return a user as ``uid 33 (www-data)``, or without a name where there is none."""
    name = user_name(uid)
    return f"uid {uid} ({name})" if name else f"uid {uid}"


def user_name(uid: int) -> str | None:
    """Return the name of a user; None where there is none."""
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return None
