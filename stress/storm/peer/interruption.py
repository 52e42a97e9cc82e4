# SPDX-License-Identifier: MIT
"""Interruption: the end of a session, for which a thread or a signal asks, as an exception in the main thread."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

from stress.lab.signals import SIGNALS
from stress.model.errors import Terminated

WAKE = signal.SIGUSR1  # from a thread of this process
AGAIN_S = 0.02


class Interruption:
    """Lets the main thread raise Terminated once, as soon as the end is asked for. A context manager.

    Unlike ``DeferredSignals`` it takes signals that were ignored before too, for nothing may let a session go on.

    Attributes:
        reason: why the session ends, in words; empty: because it has come to its end; None: it goes on.
    """

    def __init__(self) -> None:
        """Take the signals; for the main thread alone."""
        self.reason: str | None = None
        self._is_deferred = False
        self._noticed, self._waking = threading.Event(), threading.Lock()
        self._main = threading.main_thread().ident
        self._before: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {
            number: signal.signal(number, self._handle) for number in (*SIGNALS, WAKE)
        }

    def end(self, reason: str) -> None:
        """Let the session end for a reason, the first that is given; any other thread may ask for it.

        It returns when the main thread has noticed. A signal that comes after the interpreter's last look at signals,
        and before the system call in which it waits, wakes nobody; so it is sent until it does.
        """
        if self.reason is None:
            self.reason = reason
        while not self._noticed.is_set():
            self._wake()
            self._noticed.wait(AGAIN_S)

    def _wake(self) -> None:
        """Let a system call of the main thread return at once, unless it has noticed already."""
        with self._waking:
            if self._main is not None and not self._noticed.is_set():
                signal.pthread_kill(self._main, WAKE)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.reason is None:
            self.reason = f"the serving side was ended by {signal.Signals(number).name}"
        if not self._is_deferred:
            self.hold()  # what cleans up is not interrupted again
            raise Terminated(0)

    def hold(self) -> None:
        """Interrupt nothing any more, and send no further signal."""
        self._is_deferred = True
        with self._waking:
            self._noticed.set()

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let what is inside come to its end, and interrupt after it."""
        before, self._is_deferred = self._is_deferred, True
        try:
            yield
        finally:
            self._is_deferred = before
        if self.reason is not None and not before:
            self.hold()
            raise Terminated(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Restore the handlers that there were."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
