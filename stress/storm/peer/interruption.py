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
        self._main = threading.main_thread().ident
        self._before: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {
            number: signal.signal(number, self._handle) for number in (*SIGNALS, WAKE)
        }

    def end(self, reason: str) -> None:
        """Let the session end for a reason, the first that is given; any thread may ask for it."""
        if self.reason is None:
            self.reason = reason
        if self._main is not None:
            signal.pthread_kill(self._main, WAKE)  # a system call of the main thread returns at once

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.reason is None:
            self.reason = f"the serving side was ended by {signal.Signals(number).name}"
        if not self._is_deferred:
            self._is_deferred = True  # what cleans up is not interrupted again
            raise Terminated(0)

    def hold(self) -> None:
        """Interrupt nothing any more."""
        self._is_deferred = True

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let what is inside come to its end, and interrupt after it."""
        before, self._is_deferred = self._is_deferred, True
        try:
            yield
        finally:
            self._is_deferred = before
        if self.reason is not None and not before:
            self._is_deferred = True
            raise Terminated(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Restore the handlers that there were."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
