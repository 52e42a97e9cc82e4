# SPDX-License-Identifier: MIT
"""The guard of a program of the user's: it starts the program, stores its output, and ends it with all it has started.

It reads one line, to end the program in its own time; where its standard input ends without one, whoever started it is
gone, and everything is killed at once. It prints a line when the program is started, and when it has ended.
"""

import fcntl
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from stress.lab.descendants import adopt_orphans, end_descendants, list_descendants, send_signal
from stress.lab.pdeathsig import die_with_parent
from stress.lab.wait import wait_until

STARTED, REFUSED, ENDED = "started", "refused", "ended"  # how a line begins
LOOK_S = 0.05  # the output is read so rarely that a server which prints a line for each connection is not disturbed
PIPE_BYTES = 1 << 20  # what the program may print meanwhile without waiting
STORED_BYTES = 1 << 17  # of the output: as much of its beginning as of its end
PATIENCE_S = 1.0  # with a program that was asked to end
READ_BYTES = 1 << 16


class BoundedOutput:
    """What a program has printed: the beginning and the end, and how much was between them."""

    def __init__(self, room: int = STORED_BYTES) -> None:
        """Begin with nothing; ``room`` is how many bytes are stored, at most."""
        self.half = room // 2
        self.head = bytearray()
        self.tail = bytearray()
        self.left_out = 0

    def add(self, data: bytes) -> None:
        """Take what was printed next."""
        room = self.half - len(self.head)
        self.head += data[:room]
        self.tail += data[room:]
        if (excess := len(self.tail) - self.half) > 0:
            self.left_out += excess
            del self.tail[:excess]

    def stored(self) -> bytes:
        """Return what is stored, with a line for what is left out."""
        gap = f"\n[connstorm: {self.left_out:,} bytes are left out here]\n".encode() if self.left_out else b""
        return bytes(self.head) + gap + bytes(self.tail)


class Guard:
    """The program, what it has printed, and how it has ended.

    Attributes:
        status: how the program itself ended, as a line says it; None while it runs.
    """

    def __init__(self, command: list[str]) -> None:
        """Start the program.

        Raises:
            OSError: it cannot be started.
        """
        reader, writer = os.pipe()
        with suppress(OSError):  # an ordinary user may have used up what all of his pipes may hold (pipe(7))
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(reader, False)
        self.reader = reader
        self.output = BoundedOutput()
        self.status: str | None = None
        self.is_reported = False
        try:
            # Held: when it is collected, it would take the status of a program that has ended already.
            self.program = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=writer,
                process_group=0,
                preexec_fn=die_with_guard,  # noqa: PLW1509  # this process has one thread
            )
        finally:
            os.close(writer)

    def look(self) -> bool:
        """Read what was printed, note who has ended, and report it once when the program has.

        Returns:
            Whether all that it has started has ended too.
        """
        with suppress(BlockingIOError):
            while data := os.read(self.reader, READ_BYTES):
                self.output.add(data)
        is_alone = True
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self.program.pid:
                    self.status = status_text(ended[1])
            is_alone = False
        # A daemon lets its first process end with 0, and goes on in others.
        if self.status is not None and (is_alone or self.status != status_text(0)) and not self.is_reported:
            self.is_reported = True
            report(ENDED, self.status)
        return is_alone

    def end(self, patience_s: float) -> None:
        """End the program and all that it has started; those that take longer to end by themselves are killed."""
        if patience_s:
            send_signal(list_descendants(), signal.SIGTERM, signal.SIGCONT)
            wait_until(self.look, patience_s)
        end_descendants()
        self.look()


def die_with_guard() -> None:
    """Let the kernel kill the program when its guard is killed."""
    die_with_parent(signal.SIGKILL)


def status_text(status: int) -> str:
    """Return how a process ended: ``'code 1'``, ``'SIGSEGV'``."""
    code = os.waitstatus_to_exitcode(status)
    return f"code {code}" if code >= 0 else signal.Signals(-code).name


def report(what: str, text: str = "") -> None:
    """Print a line, if anybody still reads it."""
    with suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), f"{what} {text}\n".encode(errors="replace"))


def main(file: Path, command: list[str]) -> None:
    """Start a program, wait until it is to end, end it, and write what it has printed, if anything, to a file."""
    adopt_orphans()
    try:
        guard = Guard(command)
    except OSError as error:
        report(REFUSED, error.strerror or str(error))
        return
    patience_s = 0.0
    try:
        report(STARTED)
        while not select.select([sys.stdin], [], [], LOOK_S)[0]:
            guard.look()
        patience_s = PATIENCE_S if os.read(sys.stdin.fileno(), 1) else 0.0
    finally:
        guard.end(patience_s)
        if stored := guard.output.stored():
            with suppress(OSError):  # such as of a full disk, which whoever stores the run will say
                file.write_bytes(stored)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
