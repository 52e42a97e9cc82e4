# SPDX-License-Identifier: MIT
"""Processes that hold descriptors open for this process, whose number of descriptors is limited."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from stress.lab.pdeathsig import die_with_parent, with_parent
from stress.lab.signals import INTERRUPTING, ignore
from stress.model.errors import LabError

SCM_MAX_FD = 253  # descriptors per message, include/net/scm.h


class DescriptorHolders:
    """Processes that hold descriptors, one per call of ``take``.

    Leaving the context closes all descriptors; where some were closed before, it raises LabError.
    """

    def __init__(self) -> None:
        self.processes: list[tuple[subprocess.Popen[bytes], socket.socket]] = []

    def take(self, descriptors: Sequence[int]) -> None:
        """Pass descriptors to a new process and close them here.

        Raises:
            LabError: the process has ended.
        """
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "stress.lab.fd_holder", str(theirs.fileno())]
        process = subprocess.Popen(
            command,
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # that of run-cell ends with run-cell
            env=with_parent(),
        )
        theirs.close()
        self.processes.append((process, ours))
        for first in range(0, len(descriptors), SCM_MAX_FD):
            batch = descriptors[first : first + SCM_MAX_FD]
            try:
                socket.send_fds(ours, [b"x"], batch)
                received = ours.recv(1)
            except OSError:
                received = b""
            if not received:
                raise LabError("A process that held sockets has ended by itself; its sockets are closed.")
            for descriptor in batch:
                os.close(descriptor)

    def check(self) -> None:
        """Raise LabError if a process has ended by itself: what it held was closed in the middle of the storm."""
        for process, _ in self.processes:
            if (code := process.poll()) is not None:
                raise LabError(
                    f"A process that held sockets of the storm ended by itself with code {code}; they are closed."
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if value is None:
                self.check()
        finally:
            for process, ours in self.processes:
                ours.close()
                process.wait()


def hold_descriptors(descriptor: int) -> None:
    """Receive descriptors from a socket, and hold them until its other end is closed, whatever signals say."""
    die_with_parent(signal.SIGKILL)
    ignore(INTERRUPTING)
    with socket.socket(fileno=descriptor) as ours:
        while socket.recv_fds(ours, 1, SCM_MAX_FD)[0]:
            ours.send(b"x")


if __name__ == "__main__":
    hold_descriptors(int(sys.argv[1]))
