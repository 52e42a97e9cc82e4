# SPDX-License-Identifier: MIT
"""Processes that keep descriptors open for this one, which may have only so many."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from stress.lab.pdeathsig import die_with_parent
from stress.model.errors import LabError

SCM_MAX_FD = 253  # of one message, include/net/scm.h


class DescriptorHolders:
    """Takes descriptors; each lot goes to a process of its own. Leaving the context closes them all."""

    def __init__(self) -> None:
        self.processes: list[tuple[subprocess.Popen[bytes], socket.socket]] = []

    def take(self, descriptors: Sequence[int]) -> None:
        """Hand descriptors over and close them here.

        Raises:
            LabError: the process that was to hold them could not.
        """
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "stress.lab.fd_holder", str(theirs.fileno())]
        process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL)
        theirs.close()
        self.processes.append((process, ours))
        for first in range(0, len(descriptors), SCM_MAX_FD):
            lot = descriptors[first : first + SCM_MAX_FD]
            try:
                socket.send_fds(ours, [b"x"], lot)
                taken = ours.recv(1)
            except OSError:
                taken = b""
            if not taken:
                raise LabError("A process that was to hold sockets has ended by itself; its sockets are gone.")
            for descriptor in lot:
                os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process, ours in self.processes:
            ours.close()
            process.wait()


def hold_descriptors(descriptor: int) -> None:
    """Take descriptors from a socket, and keep them until its other end is closed."""
    die_with_parent(signal.SIGKILL)
    with socket.socket(fileno=descriptor) as ours:
        while socket.recv_fds(ours, 1, SCM_MAX_FD)[0]:
            ours.send(b"x")


if __name__ == "__main__":
    hold_descriptors(int(sys.argv[1]))
