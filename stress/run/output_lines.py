# SPDX-License-Identifier: MIT
"""The lines that a process prints, read until it has ended: whatever it leaves behind may hold its output open."""

import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress

from stress.lab.signals import AWAKE_S, INTERRUPTING
from stress.run.template import CopiedCell

READ_BYTES = 1 << 16
LINE_MAX_BYTES = 1 << 20  # an event is a few hundred bytes


class OutputLines:
    """The lines of a process's standard output. An iteration that was interrupted goes on where it was."""

    def __init__(self, process: subprocess.Popen[bytes] | CopiedCell) -> None:
        """Read from a process that was started with a pipe."""
        assert process.stdout is not None
        self.output = process.stdout.fileno()
        os.set_blocking(self.output, False)
        self.pidfd = os.pidfd_open(process.pid)
        self.waiting = select.poll()
        for descriptor in (self.output, self.pidfd):
            self.waiting.register(descriptor, select.POLLIN)
        self.rest = b""
        self.is_over = False

    def __iter__(self) -> Iterator[bytes]:
        """Yield each line, without its end, and what is longer than a line in parts; half a last line is dropped."""
        while True:
            line, newline, rest = self.rest.partition(b"\n")
            if newline or len(line) > LINE_MAX_BYTES:
                yield line
                self.rest = rest  # an iteration that was interrupted with this line begins with it again
            elif self.is_over:
                return
            else:
                self.read_more()

    def read_more(self) -> None:
        """Wait for output or the end of the process, and read what there is."""
        while not (ready := dict(self.waiting.poll(1000 * AWAKE_S))):
            pass
        has_ended = self.pidfd in ready  # then this reads the last of it
        before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTING)  # an interrupt here would lose what was read
        try:
            with suppress(BlockingIOError):
                data = os.read(self.output, READ_BYTES)
                self.rest += data
                self.is_over = not data
                return
            self.is_over = has_ended
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def send_signal(self, number: signal.Signals) -> None:
        """Send the process a signal, if it has not ended; Popen's own method would take its exit code on the way."""
        with suppress(OSError):
            signal.pidfd_send_signal(self.pidfd, number)

    def wait_for_end(self, limit_s: float | None = None) -> bool:
        """Return whether the process has ended, for which this waits so long at most; its exit code stays."""
        if (pidfd := self.pidfd) < 0:
            return True
        ended = select.poll()
        ended.register(pidfd, select.POLLIN)
        return bool(ended.poll(None if limit_s is None else 1000 * limit_s))

    def close(self) -> None:
        """Close the descriptor of the process; the pipe is that of who started it."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
