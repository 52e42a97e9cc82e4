# SPDX-License-Identifier: MIT
"""Trials under way, on as many hosts as there are: who ends first is heard first, and none outlives its suite."""

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Generic, Self, TypeVar

from stress.run.process import CellResult
from stress.suite.executor.base import Handle

LISTENERS_MAX = 1024  # a thread for each trial under way, made when it is needed

Key = TypeVar("Key")


class Pending(Generic[Key]):
    """What has been started and not yet been heard of. A context manager: what is left at its end is ended."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(LISTENERS_MAX)
        self.left: dict[Future[CellResult], tuple[Key, Handle]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, handle in self.left.values():
            handle.cancel()
        self.pool.shutdown()

    def add(self, key: Key, handle: Handle) -> None:
        """Listen to a trial that was started; ``key`` is what it is called here."""
        self.left[self.pool.submit(handle.fetch, lambda _: None)] = key, handle

    def next(self) -> tuple[Key, CellResult]:
        """Wait until a trial ends; return which, and how.

        Raises:
            KeyboardInterrupt: it came meanwhile.
        """
        done, _ = wait(self.left, return_when=FIRST_COMPLETED)
        first = done.pop()
        ended = first.result()
        key, _ = self.left.pop(first)
        return key, ended
