# SPDX-License-Identifier: MIT
"""The private user and network namespace of a run."""

import ctypes
import os
from pathlib import Path

from stress.lab import sysctl
from stress.lab.capabilities import pass_on_capabilities
from stress.lab.namespace_refusal import refusal_text
from stress.model.errors import LabError

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
CHILD_EHASH = "net.ipv4.tcp_child_ehash_entries"
LOOPBACK_INDEX = 1  # lo is the first interface of every network namespace
IFF_UP = 0x1  # linux/if.h


def enter_namespace(*, as_oneself: bool = False) -> None:
    """Move this process into a private network namespace and bring its loopback up.

    No privilege is needed where the kernel permits unprivileged user namespaces. The process is root only inside the
    namespace. The kernel removes the namespace when its last process has ended.

    Args:
        as_oneself: stay the same user, and have all capabilities all the same, as have programs started later: tcpdump
            run by a root that is none outside cannot become the user that it wants to be.

    Raises:
        LabError: the kernel refuses, or this process has more than one thread (see unshare(2)).
    """
    if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208  # numbers, not paths
        raise LabError(
            "A namespace can only be entered by a process with one thread; enter it before numpy is imported."
        )
    user, group = os.geteuid(), os.getegid()
    if as_oneself and user == 0 and unshare(CLONE_NEWNET) == 0:
        bring_loopback_up()
        return
    failure = unshare(CLONE_NEWUSER | CLONE_NEWNET)
    if failure == 0:
        try:
            map_user(user if as_oneself else 0, user, group if as_oneself else 0, group)
        except OSError as error:  # AppArmor lets the namespace be made, and takes its capabilities away
            raise LabError(refusal_text(error.errno or 0)) from error
        if as_oneself:
            pass_on_capabilities()
    elif user != 0 or unshare(CLONE_NEWNET) != 0:
        raise LabError(refusal_text(failure))
    bring_loopback_up()


def map_user(user: int, user_outside: int, group: int, group_outside: int) -> None:
    """Say who the one user and the one group of this process's new user namespace are outside of it.

    Raises:
        OSError: this is not permitted.
    """
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user_outside} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group_outside} 1")


def enter_new_network(ehash_entries: int = 0) -> None:
    """Move from a private network namespace to a new and empty one; only the calling thread and its children move.

    Args:
        ehash_entries: number of buckets of the new namespace's own ehash table, rounded up to a power of two; with 0,
            or before Linux 6.1, it shares the host's table.

    Raises:
        LabError: the kernel refuses.
    """
    if sysctl.read(CHILD_EHASH) is not None:
        sysctl.write(CHILD_EHASH, str(ehash_entries))
    if failure := unshare(CLONE_NEWNET):
        raise LabError(f"This kernel refuses one more network namespace: {os.strerror(failure)}.")
    bring_loopback_up()


def unshare(flags: int) -> int:
    """Make new namespaces for this process; return 0 or an errno. os.unshare() is new in Python 3.12."""
    libc = ctypes.CDLL(None, use_errno=True)
    return 0 if libc.unshare(flags) == 0 else ctypes.get_errno()


def enter_network(descriptor: int, kind: int = CLONE_NEWNET) -> int:
    """Move the calling thread to a namespace that is open; return 0 or an errno. os.setns() is new in Python 3.12."""
    libc = ctypes.CDLL(None, use_errno=True)
    return 0 if libc.setns(descriptor, kind) == 0 else ctypes.get_errno()


def bring_loopback_up() -> None:
    """Set lo up; the kernel then assigns 127.0.0.1/8 and ::1."""
    from pyroute2 import IPRoute  # noqa: PLC0415  # 0.3 s, and its threads must not start before unshare()

    with IPRoute() as route:
        route.link("set", index=LOOPBACK_INDEX, state="up")


def is_loopback_up() -> bool:
    """Return whether lo is set up in this network namespace."""
    from pyroute2 import IPRoute  # noqa: PLC0415  # see above

    with IPRoute() as route:
        (link,) = route.get_links(LOOPBACK_INDEX)
    return bool(link["flags"] & IFF_UP)
