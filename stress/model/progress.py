# SPDX-License-Identifier: MIT
"""The progress of long operations: what they say as they go on, and where a storm can be watched from outside."""

from collections.abc import Callable

import msgspec


class StormUnderway(msgspec.Struct, frozen=True, tag="storm"):
    """A storm is about to begin, and says no more until it is over; its records can be read from another process.

    Attributes:
        attempts: of all its clients, at most.
        descriptor: of the storming process: the memory or the file of its records.
        parts: of each worker the first of its rows, and how many it has at most.
        duration_s: no attempt starts later than this; None: without that bound.
        cpus: to which its processes are pinned.
    """

    attempts: int
    descriptor: int
    parts: list[tuple[int, int]]
    duration_s: float | None
    cpus: list[int]


ProgressCallback = Callable[[str], None]  # called with a text when each stage begins
StormCallback = Callable[[StormUnderway], None]  # called when a storm is about to begin


def ignore_progress(text: str) -> None:
    """Ignore a progress text: the callback for callers that show no progress."""


def ignore_storm(storm: StormUnderway) -> None:
    """Ignore that a storm begins: the callback for callers that do not watch it."""
