# SPDX-License-Identifier: MIT
"""Termination signals as exceptions, so that a process can clean up; deferred during critical sections."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from stress.model.errors import Terminated

SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
)  # SIGINT raises without us: its handler is set first and restored last
SHELL_BASE = 128  # exit code of shells after a signal, without its number


class DeferredSignals:
    """SIGTERM and SIGHUP raise Terminated; they and SIGINT are deferred while ``deferring`` is true.

    Python handles signals in the main thread; constructed in another thread, this does nothing. A signal that was
    ignored before stays ignored, as nohup(1) needs.
    """

    def __init__(self, *protected: CodeType) -> None:
        """Set the signal handlers, and defer signals.

        Args:
            protected: functions that no signal interrupts, not even before their first line calls ``defer()``.
        """
        self.protected = (*protected, DeferredSignals.defer.__code__, DeferredSignals.handle.__code__)
        self.deferring = True
        self.pending: int | None = None
        self.pid = os.getpid()
        self.before: dict[int, Callable[[int, FrameType | None], Any] | int] = {}
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                before = signal.getsignal(number)
                if before is not None and before != signal.SIG_IGN:
                    self.before[number] = before
                    signal.signal(number, self.handle)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Raise the exception of a signal, or defer the signal."""
        before = self.before[number]
        if os.getpid() != self.pid:  # a child process has nothing to clean up
            signal.signal(number, before)
            signal.raise_signal(number)
        elif self.deferring or (frame is not None and frame.f_code in self.protected):
            self.pending = self.pending or number
        elif number != signal.SIGINT:
            raise Terminated(SHELL_BASE + number)
        elif callable(before):
            before(number, frame)
        else:
            raise KeyboardInterrupt

    def defer(self) -> None:
        """Defer signals from now on."""
        self.deferring = True

    def release(self) -> None:
        """Stop deferring signals, and handle the one that arrived meanwhile."""
        self.deferring = False
        pending, self.pending = self.pending, None
        if pending is not None:
            self.handle(pending, None)

    def restore_handlers(self) -> None:
        """Restore the previous signal handlers, and handle the signal that arrived meanwhile."""
        for number, before in reversed(self.before.items()):
            signal.signal(number, before)
        if self.pending == signal.SIGINT:
            signal.raise_signal(self.pending)
        elif self.pending is not None:
            raise Terminated(SHELL_BASE + self.pending)


@contextmanager
def ignore_sigint() -> Iterator[None]:
    """Ignore SIGINT inside the context: what a storm has recorded must also be stored."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread gets signals
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
