# SPDX-License-Identifier: MIT
"""A process that serves listening sockets, as the one that started it sees it."""

import mmap
import socket
import subprocess
import sys
from collections.abc import Sequence

from stress._listener import READY, SLOTS
from stress.lab.pdeathsig import with_parent
from stress.model.errors import LabError


class ListenerProcess:
    """One serving process, and the page of memory with its counts."""

    def __init__(
        self,
        served: Sequence[socket.socket],
        pages: mmap.mmap,
        pages_fd: int,
        number: int,
        options: Sequence[object],
    ) -> None:
        """Start it with page ``number`` of ``pages``; the page outlives the process that writes it.

        ``options`` are the last arguments of ``listener_process.main``.
        """
        offset = number * mmap.PAGESIZE
        self.report = memoryview(pages)[offset : offset + SLOTS * 8].cast("q")
        descriptors = [bound.fileno() for bound in served]
        arguments = (",".join(map(str, descriptors)), pages_fd, offset, *options)
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "stress.lab.listener_process", *map(str, arguments)],
            pass_fds=(*descriptors, pages_fd),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # that of run-cell ends with run-cell
            env=with_parent(),
        )

    def is_ready(self) -> bool:
        """Return whether it serves; raise LabError if it has ended."""
        self.check()
        return bool(self.report[READY])

    def check(self) -> None:
        """Raise LabError if the process has ended by itself."""
        if (code := self.popen.poll()) is not None:
            raise LabError(f"A listener process ended by itself with code {code}; its sockets are closed.")

    def end(self) -> None:
        """End the process, and release its page.

        It closes its sockets in the same way if it sees STOP, but while nothing comes it looks only every 100 ms.
        """
        self.popen.kill()
        self.popen.wait()
        self.report.release()
