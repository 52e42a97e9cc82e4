# SPDX-License-Identifier: MIT
"""The signals that end a process, as exceptions, so that it can leave things in order; held back where it must be."""

import os
import signal
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from stress.model.errors import Terminated

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # SIGINT raises by itself: taken first, given back last
SHELL_BASE = 128  # exit code after a signal, as shells count


class DeferredSignals:
    """SIGTERM and SIGHUP raise Terminated; they and SIGINT wait while ``holding``.

    Only the main thread gets signals; made elsewhere, this does nothing. A signal that was ignored before stays so, as
    nohup(1) wants it.
    """

    def __init__(self, *whole: CodeType) -> None:
        """Take the signals over, and hold them back.

        Args:
            whole: functions that no signal interrupts, not even before their first line has said ``hold()``.
        """
        self.whole = (*whole, DeferredSignals.hold.__code__, DeferredSignals.handle.__code__)
        self.holding = True
        self.came: int | None = None
        self.pid = os.getpid()
        self.before: dict[int, Callable[[int, FrameType | None], Any] | int] = {}
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                before = signal.getsignal(number)
                if before is not None and before != signal.SIG_IGN:
                    self.before[number] = before
                    signal.signal(number, self.handle)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Raise what a signal stands for, or remember it."""
        before = self.before[number]
        if os.getpid() != self.pid:  # a child by fork() has nothing to leave in order
            signal.signal(number, before)
            signal.raise_signal(number)
        elif self.holding or (frame is not None and frame.f_code in self.whole):
            self.came = self.came or number
        elif number != signal.SIGINT:
            raise Terminated(SHELL_BASE + number)
        elif callable(before):
            before(number, frame)
        else:
            raise KeyboardInterrupt

    def hold(self) -> None:
        """Let signals wait from now on."""
        self.holding = True

    def release(self) -> None:
        """Let signals through, at first the one that came meanwhile."""
        self.holding = False
        came, self.came = self.came, None
        if came is not None:
            self.handle(came, None)

    def give_back(self) -> None:
        """Have each signal do what it did before, at first the one that came meanwhile."""
        for number, before in reversed(self.before.items()):
            signal.signal(number, before)
        if self.came == signal.SIGINT:
            signal.raise_signal(self.came)
        elif self.came is not None:
            raise Terminated(SHELL_BASE + self.came)
