# SPDX-License-Identifier: MIT
"""Locks that end with their process: for one suite at a time on a machine, one in a folder, one trial from elsewhere.

The lock of a machine is a Unix socket with an abstract name (unix(7)): the kernel releases it however the process ends,
no file is left behind, and others can ask the kernel which process holds it. Abstract names belong to a network
namespace, so suites in different containers of a machine do not see each other; that of a folder (flock(2)) they do.

The process of a trial has the descriptors of all locks too: where who started it is killed, they last until the trial
has ended.
"""

import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stress.lab import wait
from stress.model.errors import UsageError

NAME_FORMAT = "\0connstorm-{}"
INTERVAL_S = 0.1  # between tries to take it
ENDING_S = 10.0  # for the trial to end whose suite has been killed: it restores settings of the host first
FOLDER_S = 2.0  # the same, where nobody knows whether the holder is ending
UCRED = struct.Struct("iII")  # pid, uid, gid: socket(7), SO_PEERCRED
# Of file systems without such locks, some of those across a network.
WITHOUT_FLOCK = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)

_held: set[int] = set()


def held_descriptors() -> tuple[int, ...]:
    """Return the descriptors of the locks that this process holds, for a process that is to hold them too."""
    return tuple(_held)


@contextmanager
def hold_lock(what: str = "suite", limit_s: float = 0.0) -> Iterator[None]:
    """Hold a lock of this machine.

    Args:
        what: what holds the lock, in one word.
        limit_s: maximum time to wait for it; for what a killed process has left behind it waits ENDING_S at least.

    Raises:
        UsageError: another process holds it; the sentence names it.
    """
    name = NAME_FORMAT.format(what)
    with socket.socket(socket.AF_UNIX) as lock:

        def bound() -> bool:
            try:
                lock.bind(name)
            except OSError:
                return False
            return True

        def is_decided() -> bool:
            return bound() or bool(holder_command(name))

        is_free = wait.wait_until(bound, limit_s, INTERVAL_S) or (
            wait.wait_until(is_decided, ENDING_S, INTERVAL_S) and bool(lock.getsockname())
        )
        if not is_free:
            raise UsageError(
                f"Another {what} runs on this machine, {describe_holder(name)}; two at once would disturb each "
                "other. Wait until it is over."
            )
        lock.listen()
        with handed_on(lock.fileno()):
            yield


@contextmanager
def hold_folder(path: Path) -> Iterator[None]:
    """Hold the lock of a folder, whatever network namespace others are in.

    Raises:
        UsageError: another process holds it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:

        def is_locked() -> bool:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                return error.errno in WITHOUT_FLOCK
            return True

        if not wait.wait_until(is_locked, FOLDER_S, INTERVAL_S):
            raise UsageError(f"Another suite runs in {path}; wait until it is over.")
        with handed_on(descriptor):
            yield
    finally:
        os.close(descriptor)


@contextmanager
def handed_on(descriptor: int) -> Iterator[None]:
    """Hand on a descriptor to the processes of trials inside the context."""
    _held.add(descriptor)
    try:
        yield
    finally:
        _held.discard(descriptor)


def describe_holder(name: str) -> str:
    """Return a description of the process that holds a lock."""
    pid = holder_pid(name)
    if pid is None:
        return "which has just ended"
    command = command_line(pid)
    return f"process {pid} ({command})" if command else f"process {pid}"


def holder_command(name: str) -> str:
    """Return the command line of the process that took a lock; ``''`` where that has ended, or there is none."""
    pid = holder_pid(name)
    return "" if pid is None else command_line(pid)


def holder_pid(name: str) -> int | None:
    """Return which process took a lock; None where nobody holds it."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(name)
        except OSError:
            return None
        pid, _, _ = UCRED.unpack(client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size))
        return int(pid)


def command_line(pid: int) -> str:
    """Return the command line of a process; ``''`` for one that has ended, be it a zombie still."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return b" ".join(words).decode(errors="replace").strip()
