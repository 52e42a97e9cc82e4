# SPDX-License-Identifier: MIT
"""How far a storm of another process is, seen in the records that it writes; that process does nothing for it.

The thread that looks keeps off the CPUs to which the storm is pinned, where there are others. A look reads the records
that are new since the look before, which takes some 3 ms for 200,000, and nothing that the storm waits for.
"""

import errno
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.lab.signals import start_deaf
from stress.model.attempt import ATTEMPT
from stress.model.progress import ProgressCallback, StormUnderway
from stress.model.text import rate_text
from stress.view.text.suite_plan import time_text

INTERVAL_S = 5.0
LONG_S = 10.0  # a shorter storm is not talked about


@dataclass(frozen=True)
class Look:
    """What a look saw: attempts that were begun, that have not ended, and that were retried or have failed."""

    begun: int
    in_flight: int
    slow: int


class RecordReader:
    """Reads the records of a storm that is going on."""

    def __init__(self, records: npt.NDArray[Any], parts: list[tuple[int, int]]) -> None:
        """Begin with a storm of which nothing was read.

        Args:
            records: shape (attempts,), dtype ATTEMPT, written by another process: row after row of each part.
            parts: as of ``StormUnderway``.
        """
        self.records = records
        self.parts = parts
        self.begun = [0] * len(parts)
        self.pending = np.zeros(0, np.intp)  # rows of attempts that had not ended at the last look
        self.slow = 0

    def look(self) -> Look:
        """Read what is new."""
        rows, newest = [self.pending], []
        for part, (first, count) in enumerate(self.parts):
            begun = count_begun(self.records["start_ns"][first : first + count], self.begun[part])
            rows.append(np.arange(first + self.begun[part], first + begun))
            newest += [first + begun - 1] * (begun > 0)  # it may be written just now
            self.begun[part] = begun
        looked_at = np.concatenate(rows)
        errors = self.records["error"][looked_at]
        has_ended = (errors != errno.EINPROGRESS) & ~np.isin(looked_at, newest)
        self.pending = looked_at[~has_ended]
        ended = looked_at[has_ended]
        self.slow += int(((errors[has_ended] != 0) | (self.records["retransmits"][ended] > 0)).sum())
        return Look(sum(self.begun), len(self.pending), self.slow)


def count_begun(starts_ns: npt.NDArray[np.int64], known: int) -> int:
    """Return how many of the first starts, shape (attempts,), are not 0, of which so many are known not to be.

    Pages far behind the last one that was written are not read, because that would allocate them.
    """
    low, step = known, 1
    while low + step <= len(starts_ns) and starts_ns[low + step - 1]:
        low, step = low + step, 2 * step
    high = min(low + step, len(starts_ns) + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if starts_ns[middle - 1] else (low, middle)
    return low


class StormTeller:
    """Turns looks into sentences."""

    def __init__(self, storm: StormUnderway) -> None:
        self.storm = storm
        self.planned = sum(count for _, count in storm.parts)
        self.looks = 0
        self.begun = 0
        self.is_long = False

    def tell(self, look: Look) -> str | None:
        """Return how far the storm is, INTERVAL_S after the look before; None for one that is over soon."""
        self.looks += 1
        rate_per_s = (look.begun - self.begun) / INTERVAL_S
        self.begun = look.begun
        elapsed_s = self.looks * INTERVAL_S
        left_s = (self.planned - look.begun) / rate_per_s if rate_per_s else None
        if self.storm.duration_s is not None:
            until_end_s = max(self.storm.duration_s - elapsed_s, 0.0)
            left_s = until_end_s if left_s is None else min(left_s, until_end_s)
        self.is_long = self.is_long or elapsed_s + (left_s or 0.0) > LONG_S
        return self.sentence(look, rate_per_s, left_s) if self.is_long else None

    def sentence(self, look: Look, rate_per_s: float, left_s: float | None) -> str:
        """Return what was seen; what matters least stands last, for a narrow terminal."""
        most = "at most " if self.storm.duration_s is not None else ""
        own = " of this host" if self.planned < self.storm.attempts else ""
        parts = [f"{look.begun:,} of {most}{self.planned:,} attempts{own}", f"{rate_text(rate_per_s)}/s"]
        if look.begun == self.planned:
            parts[1:] = [f"{look.in_flight:,} not ended"]
        elif left_s is not None:
            parts.append(f"about {time_text(left_s)} left")
        return ", ".join([*parts, f"{look.slow:,} retried or failed"])


@contextmanager
def watch_storm(pid: int, storm: StormUnderway, notify: ProgressCallback) -> Iterator[None]:
    """Tell every few seconds of a long storm how far it is, from another thread, until the context ends.

    Nothing is told where the records cannot be read, as where a security module forbids it.

    Args:
        pid: of the process that announced the storm.
        storm: as it was announced.
        notify: called with the text, and at the end with an empty one.
    """
    try:
        records = map_records(Path(f"/proc/{pid}/fd/{storm.descriptor}"))
    except (OSError, ValueError):
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=tell_until, args=(over, records, storm, notify), daemon=True)
    start_deaf(thread)
    try:
        yield
    finally:
        over.set()
        thread.join()
        notify("")


def map_records(path: Path) -> npt.NDArray[Any]:
    """Return the records in a file, shape (attempts,), for reading.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is empty.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        mapped = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
    finally:
        os.close(descriptor)
    return np.frombuffer(mapped, ATTEMPT, len(mapped) // ATTEMPT.itemsize)


def tell_until(
    over: threading.Event, records: npt.NDArray[Any], storm: StormUnderway, notify: ProgressCallback
) -> None:
    """Tell how far a storm is until it is over."""
    if others := os.sched_getaffinity(0) - set(storm.cpus):
        os.sched_setaffinity(0, others)  # of this thread alone
    reader, teller = RecordReader(records, storm.parts), StormTeller(storm)
    while not over.wait(INTERVAL_S):
        if text := teller.tell(reader.look()):
            notify(text)
