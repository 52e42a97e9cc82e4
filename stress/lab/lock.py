# SPDX-License-Identifier: MIT
"""Locks of this machine that end with their process: for one suite at a time, and one trial from another machine.

A lock is a Unix socket with an abstract name (unix(7)): the kernel releases it however the process ends, no file is
left behind, and others can ask the kernel which process holds it. Abstract names belong to a network namespace, so
suites in different containers of a machine do not see each other.
"""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stress.lab import wait
from stress.model.errors import UsageError

NAME_FORMAT = "\0connstorm-{}"
INTERVAL_S = 0.1  # between tries to take it
UCRED = struct.Struct("iII")  # pid, uid, gid: socket(7), SO_PEERCRED


@contextmanager
def hold_lock(what: str = "suite", limit_s: float = 0.0) -> Iterator[None]:
    """Hold a lock.

    Args:
        what: what holds the lock, in one word.
        limit_s: maximum time to wait for it.

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

        if not wait.wait_until(bound, limit_s, INTERVAL_S):
            raise UsageError(
                f"Another {what} runs on this machine, {describe_holder(name)}; two at once would disturb each "
                "other. Wait until it is over."
            )
        lock.listen()
        yield


def describe_holder(name: str) -> str:
    """Return a description of the process that holds a lock."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(name)
        except OSError:
            return "which has just ended"
        pid, _, _ = UCRED.unpack(client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size))
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return f"process {pid}"
    return f"process {pid} ({b' '.join(words).decode(errors='replace').strip()})"
