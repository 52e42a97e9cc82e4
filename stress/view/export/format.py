# SPDX-License-Identifier: MIT
"""Format: what an exporter declares."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import IO

from stress.analysis.metric import Metric
from stress.view.export.attempt_table import Attempts
from stress.view.export.column import Column
from stress.view.export.profiled_run import ProfiledRun

SECONDS = frozenset({"ns"})  # units of formats that have times only


@dataclass(frozen=True)
class Format:
    """A format; it has one of ``encode``, ``files``, ``write`` and ``profile``.

    Attributes:
        suffix: of its files.
        summary: what it is for, in a line.
        encode: the file of a column, from metrics over trials.
        files: several files of a column, in a folder.
        write: the attempts themselves, to a binary stream.
        profile: the stacks of profiled runs, to a binary stream.
        units: of the metrics that it can have as values; None: any.
        separates: whether it keeps trials apart, so that trials of several kernels and arms may share a file.
        position: of its name in lists; formats of the same position are in the order of their names.
    """

    suffix: str
    summary: str
    encode: Callable[[Column, Sequence[Metric]], bytes] | None = None
    files: Callable[[Column, Sequence[Metric]], dict[str, bytes]] | None = None
    write: Callable[[Iterable[Attempts], IO[bytes]], None] | None = None
    profile: Callable[[Sequence[ProfiledRun], IO[bytes]], None] | None = None
    units: frozenset[str] | None = None
    separates: bool = False
    position: int = 100
