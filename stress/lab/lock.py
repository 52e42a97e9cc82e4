# SPDX-License-Identifier: MIT
"""One suite at a time on a machine: a lock that goes with the process that holds it.

The lock is a Unix socket with an abstract name (unix(7)): the kernel takes it back however the process ends, no file
is left over, and whoever finds it taken can ask the kernel who holds it. Such names belong to a network namespace, so
suites in containers of one machine do not see each other.
"""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stress.model.errors import UsageError

NAME = "\0connstorm-suite"
UCRED = struct.Struct("iII")  # pid, uid, gid: socket(7), SO_PEERCRED


@contextmanager
def alone() -> Iterator[None]:
    """Hold the lock.

    Raises:
        UsageError: another process holds it; the sentence names it.
    """
    with socket.socket(socket.AF_UNIX) as lock:
        try:
            lock.bind(NAME)
        except OSError as error:
            raise UsageError(
                f"Another suite runs on this machine, {holder()}; two at once would disturb each other. Wait until "
                "it is over."
            ) from error
        lock.listen()
        yield


def holder() -> str:
    """Return who holds the lock, in words."""
    with socket.socket(socket.AF_UNIX) as question:
        try:
            question.connect(NAME)
        except OSError:
            return "which has just ended"
        pid, _, _ = UCRED.unpack(question.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size))
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return f"process {pid}"
    return f"process {pid} ({b' '.join(words).decode(errors='replace').strip()})"
