# SPDX-License-Identifier: MIT
"""Trials that were submitted and have not ended: the first to end is returned first, and none outlives its suite."""

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Generic, Self, TypeVar

from stress.lab.signals import AWAKE_S
from stress.run.process import CellResult
from stress.suite.executor.base import Handle

THREADS_MAX = 1024  # one per trial, started when it is needed

Key = TypeVar("Key")


class Pending(Generic[Key]):
    """Submitted trials whose results have not been returned. A context manager, which cancels those left at its end."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(THREADS_MAX)
        self.handles: dict[Future[CellResult], tuple[Key, Handle]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        others = ThreadPoolExecutor(THREADS_MAX)  # all at once: an interrupt of this leaves none uncancelled
        cancelling = [others.submit(handle.cancel) for _, handle in self.handles.values()]
        wait(cancelling)
        for pool in (others, self.pool):
            pool.shutdown()

    def add(self, key: Key, handle: Handle) -> None:
        """Add a trial that was submitted; ``next`` returns its result with ``key``."""
        self.handles[self.pool.submit(handle.fetch, lambda _: None)] = key, handle

    def next(self) -> tuple[Key, CellResult]:
        """Wait until a trial ends; return its key and its result.

        Raises:
            KeyboardInterrupt: SIGINT was received meanwhile.
        """
        done: set[Future[CellResult]] = set()
        while not done:
            done, _ = wait(self.handles, AWAKE_S, FIRST_COMPLETED)
        first = done.pop()
        ended = first.result()
        key, _ = self.handles.pop(first)
        return key, ended
