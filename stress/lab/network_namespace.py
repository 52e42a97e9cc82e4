# SPDX-License-Identifier: MIT
"""Network namespaces that others have made: a container's, one of ``ip netns``, one of ``unshare``.

Imports no numpy and starts no thread: the user namespace that owns a network namespace can only be joined by a process
with one thread (setns(2)).
"""

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from stress.lab import namespace
from stress.model.errors import LabError, UsageError

HERE = "/proc/thread-self/ns/net"  # /proc/self is the main thread's, wherever the calling thread is
OUR_USERS = "/proc/self/ns/user"
NAMED = "/run/netns"  # where ip netns has its namespaces, ip-netns(8)
NS_GET_USERNS, NS_GET_PARENT, NS_GET_NSTYPE = 0xB701, 0xB702, 0xB703  # linux/nsfs.h
REFUSED = (errno.EPERM, errno.EACCES)
UID_MAP = Path("/proc/self/uid_map")
joined_users: list[tuple[int, int, int]] = []  # of a user namespace that was joined: first id in it, outside, how many


def read_inode() -> int:
    """Return the inode of the network namespace of the calling thread, which names it on this host.

    Raises:
        LabError: /proc is not there.
    """
    try:
        return os.stat(HERE).st_ino  # noqa: PTH116  # a link to no path
    except OSError as error:
        raise LabError(f"{HERE} cannot be read: {error.strerror}; mount /proc (mount -t proc proc /proc).") from error


def enter(where: str) -> None:
    """Move the calling thread, and what it starts later, to a network namespace; nothing in it is changed.

    /proc/thread-self/net and /proc/sys/net are then those of that namespace; processes and files stay as they were.
    Where this process has no right in the user namespace that owns it, that is joined first, which the user who made it
    may, for instance with ``unshare --user --net``.

    Args:
        where: the path of a namespace, such as /run/netns/NAME or /proc/PID/ns/net, or the id of a process in it.

    Raises:
        UsageError: there is no such process or path, or the path is no network namespace.
        LabError: this user may not enter it.
    """
    descriptor = open_namespace(where)
    try:
        failure = namespace.enter_network(descriptor)
        if failure == errno.EPERM and join_owners(descriptor, where):
            failure = namespace.enter_network(descriptor)
    finally:
        os.close(descriptor)
    if failure:
        raise refusal(where, failure)


def open_namespace(where: str) -> int:
    """Return a descriptor of a network namespace, to be closed by the caller; see ``enter``."""
    path = f"/proc/{int(where)}/ns/net" if is_process(where) else where
    try:
        # A FIFO without a writer would be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in REFUSED:
            raise refusal(where, error.errno) from error
        if is_process(where):
            raise UsageError(f"There is no process {where} here; give the id that it has on this host.") from error
        raise UsageError(f"{where} cannot be opened: {error.strerror}{suggest_path(where)}.") from error
    except ValueError as error:  # a NUL in it
        raise UsageError(f"{where!r} is no path.") from error
    kind = None
    with suppress(OSError):  # ENOTTY: no namespace
        kind = fcntl.ioctl(descriptor, NS_GET_NSTYPE)
    if kind != namespace.CLONE_NEWNET:
        os.close(descriptor)
        raise UsageError(
            f"{where} is no network namespace; give a path such as {NAMED}/NAME or /proc/PID/ns/net, or the id of a "
            "process."
        )
    return descriptor


def is_process(where: str) -> bool:
    """Return whether a namespace is named by the id of a process."""
    return where.isascii() and where.isdecimal()


def suggest_path(where: str) -> str:
    """Return the path of a namespace that is called so by ``ip netns``, as the end of a sentence, or nothing."""
    named = f"{NAMED}/{where}"
    return f"; did you mean {named}?" if "/" not in where and os.path.lexists(named) else ""


def join_owners(descriptor: int, where: str) -> bool:
    """Join the user namespace that owns an open network namespace; return whether this process did.

    Only one that was made in this process's own, for only then /proc/self/uid_map tells which users its users are here.

    Raises:
        LabError: it may, but has more than one thread.
    """
    users = -1
    try:
        users = fcntl.ioctl(descriptor, NS_GET_USERNS)
        parent = fcntl.ioctl(users, NS_GET_PARENT)
    except OSError:  # EPERM: it was not made within ours (ns_get_owner(), Linux 6.18)
        parent = -1
    try:
        if parent < 0 or os.fstat(parent).st_ino != os.stat(OUR_USERS).st_ino:  # noqa: PTH116  # a link to no path
            return False
        failure = namespace.enter_network(users, namespace.CLONE_NEWUSER)
    finally:
        for opened in (users, parent):
            if opened >= 0:
                os.close(opened)
    if failure == errno.EINVAL:  # what setns(2) says to a process with threads
        raise LabError(f"{where} can only be entered by a process with one thread; enter it before threads start.")
    if failure == 0:
        joined_users[:] = read_uid_map()
    return failure == 0


def read_uid_map() -> list[tuple[int, int, int]]:
    """Return the users of this process's user namespace: first id in it, first in its parent, and how many."""
    numbers = (map(int, line.split()) for line in UID_MAP.read_text().splitlines())
    return [(first, outside, count) for first, outside, count in numbers]


def outside_uid(uid: int) -> int:
    """Return which user, where this process came from, a user is of whom the kernel speaks after ``enter``.

    The same one, unless a user namespace was joined. Users who are not in that are all 65534 to it, and stay that.
    """
    for first, outside, count in joined_users:
        if first <= uid < first + count:
            return outside + uid - first
    return uid


def refusal(where: str, failure: int) -> LabError:
    """Return what is said where the kernel refuses."""
    of_process = is_process(where)
    name = f"The network namespace of process {where}" if of_process else f"The network namespace {where}"
    if failure in REFUSED:
        return LabError(f"{name} may not be entered by this user; do it as root (sudo) or as the user who made it.")
    return LabError(f"{name} cannot be entered: {os.strerror(failure)}.")
