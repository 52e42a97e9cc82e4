# SPDX-License-Identifier: MIT
"""Termination signals as exceptions, so that a process can clean up; deferred during critical sections."""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, ClassVar

from stress.model.errors import Terminated

# From the program that the user started to the process that storms: end, and store nothing. SIGTERM is not that: a
# service manager sends it to all processes at once, and what was recorded is then to be stored.
CANCEL = signal.SIGUSR2
SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    CANCEL,
)  # SIGINT raises without us: its handler is set first and restored last
# The main thread, which handles signals, is not woken where another one has taken them: see ``start_deaf``. numpy's
# threads may do so, too; therefore who waits wakes now and then by itself.
AWAKE_S = 1
INTERRUPTING = (signal.SIGINT, signal.SIGTERM)
SHELL_BASE = 128  # exit code of shells after a signal, without its number


def ignore(numbers: Iterable[signal.Signals]) -> None:
    """Ignore signals from now on."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


def start_deaf(thread: threading.Thread) -> None:
    """Start a thread that takes no signal; not one that starts processes, which would take none either.

    Python handles signals in the main thread, and wakes it from no system call where another thread has taken one. Of
    two signals at once the kernel gives the second to another thread, since the main one has one pending already; and
    that thread, which is first to run, takes both (complete_signal() and get_signal(), kernel/signal.c).
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class FirstInterrupt:
    """Lets the first of some signals raise KeyboardInterrupt, and those after it do nothing.

    timeout(1) sends SIGTERM twice, a service manager to this process and to its parent, which passes it on: the second
    must not disturb what stores the results.

    Attributes:
        received: the signal that arrived, or None.
        has_sigterm: whether SIGTERM is one of them, in this process.
    """

    has_sigterm: ClassVar[bool] = False

    def __init__(self, *numbers: signal.Signals, unless_ignored: bool = False) -> None:
        """Take the signals; with ``unless_ignored`` not those that are ignored, as nohup(1) and ``&`` need."""
        self.received: int | None = None
        for number in numbers:
            if not (unless_ignored and signal.getsignal(number) == signal.SIG_IGN):
                signal.signal(number, self.handle)
                FirstInterrupt.has_sigterm |= number == signal.SIGTERM

    def handle(self, number: int, _: FrameType | None) -> None:
        """Raise KeyboardInterrupt the first time."""
        if self.received is None:
            self.received = number
            raise KeyboardInterrupt


class DeferredSignals:
    """Signals that end programs raise Terminated; they and SIGINT are deferred while ``deferring`` is true.

    A handler that there was is called in place of that. Python handles signals in the main thread; constructed in
    another thread, this does nothing. A signal that was ignored before stays ignored, as nohup(1) needs.
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
        elif callable(before):
            before(number, frame)
        elif number != signal.SIGINT:
            self.deferring = True  # the next one, of the same end, must not disturb what cleans up
            raise Terminated(SHELL_BASE + number)
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
        if self.pending is None:
            return
        if self.pending == signal.SIGINT or callable(self.before[self.pending]):
            signal.raise_signal(self.pending)
        else:
            raise Terminated(SHELL_BASE + self.pending)


def disregard_interrupts() -> dict[signal.Signals, Any]:
    """Ignore SIGINT, and SIGTERM where that interrupts too, from now on; return the handlers that there were."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread gets signals
        return {}
    numbers = INTERRUPTING if FirstInterrupt.has_sigterm else (signal.SIGINT,)
    return {number: signal.signal(number, signal.SIG_IGN) for number in numbers}


@contextmanager
def ignore_interrupts() -> Iterator[None]:
    """Ignore interrupts inside the context: what a storm has recorded must also be stored."""
    before = disregard_interrupts()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
