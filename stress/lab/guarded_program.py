# SPDX-License-Identifier: MIT
"""A program of the user's in this process's network namespace, which its guard ends with all that it has started."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from stress.lab.descendants import adopt_orphans, end_descendants
from stress.lab.program_guard import ENDED, REFUSED, STARTED
from stress.model.errors import UsageError

GUARD = (sys.executable, "-m", "stress.lab.program_guard")
SHOWN_LINES, SHOWN_COLUMNS = 3, 160


class GuardedProgram:
    """A program and its guard; a context manager, which ends both.

    This process becomes a subreaper (prctl(2)): what the program has started comes to it when the guard is killed, and
    ends with the context too.
    """

    def __init__(self, command: Sequence[str], file: Path, variables: dict[str, str]) -> None:
        """Start the program.

        Args:
            command: its words.
            file: what it prints is written there when it ends, as far as there is room.
            variables: its environment.

        Raises:
            UsageError: it cannot be started.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        self.file = file
        self.ended: str | None = None
        self.is_over = False
        adopt_orphans()
        self.guard = subprocess.Popen(
            [*GUARD, str(file), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=variables,
            process_group=0,  # Ctrl-C is for this process, which ends the others
        )
        assert self.guard.stdout is not None
        what, text = self.read_line(self.guard.stdout.readline())
        if what != STARTED:
            self.end()
            reason = text if what == REFUSED else "its guard ended"
            raise UsageError(f"{command[0]} cannot be run: {reason}.")
        os.set_blocking(self.guard.stdout.fileno(), False)

    @staticmethod
    def read_line(line: bytes) -> tuple[str, str]:
        """Return what a line of the guard says, and its text."""
        what, _, text = line.decode(errors="replace").strip().partition(" ")
        return what, text

    def find_end(self) -> str | None:
        """Return how the program has ended, as ``'code 1'`` or ``'SIGSEGV'``; None while it runs."""
        assert self.guard.stdout is not None
        line = self.guard.stdout.readline()
        if line:
            what, text = self.read_line(line)
            assert what == ENDED
            self.ended = text
        elif self.ended is None and self.guard.poll() is not None:
            self.ended = "the end of its guard"
        return self.ended

    def end(self) -> None:
        """End the program and all that it has started; afterwards its output is in the file."""
        if self.is_over:
            return
        self.is_over = True
        try:
            self.guard.communicate(b"\n")
        finally:
            end_descendants()

    def last_lines(self) -> str:
        """Return the end of what a program that has ended printed, in one line: ``'nothing'`` where it did not."""
        text = self.file.read_text(errors="replace") if self.file.exists() else ""
        lines = [line.strip()[:SHOWN_COLUMNS] for line in text.splitlines() if line.strip()]
        return " | ".join(lines[-SHOWN_LINES:]) or "nothing"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
