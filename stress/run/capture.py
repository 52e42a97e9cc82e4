# SPDX-License-Identifier: MIT
"""Capture files in, a run folder out."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.summary import analyse
from stress.analysis.capture.captured_attempts import select_captured_tries
from stress.analysis.capture.tries import find_tries
from stress.model.errors import UsageError
from stress.model.progress import ProgressCallback, ignore_progress
from stress.model.segment import Segments
from stress.model.text import plural
from stress.run.capture_run import build_capture_run
from stress.run.cell import EVIDENCE
from stress.store import run_folder
from stress.store.capture_file.extract import copy_frames
from stress.store.capture_file.read import read_captures


def read_capture(
    paths: Sequence[Path],
    results: Path,
    notify: ProgressCallback = ignore_progress,
    *,
    port: int | None = None,
    draw: bool = True,
) -> Path:
    """Read capture files as one run; return its new folder under ``results``.

    Args:
        paths: the files; of both ends of the same connections, or one after the other.
        results: the folder of all runs.
        notify: progress callback.
        port: read only the segments from and to this port.
        draw: whether to make the figures.

    Raises:
        UsageError: a file cannot be read, or there is no connection try in them.
        StoreError: as ``run_folder.write``.
    """
    segments = read_captures(paths, notify)
    if port is not None:
        segments = with_port(segments, port)
    notify(f"putting {len(segments.rows):,} segments together")
    tries = find_tries(segments)
    capture = build_capture_run(tries, segments.files)
    count = plural(len(tries.attempts), "connection try", "connection tries")
    notify(f"analysing {count} and drawing" if draw else f"analysing {count}")
    observed = capture.run
    findings = analyse(observed)
    selected, start = [], 0
    for act in findings.acts:
        own = capture.places[start : start + act.storm.act.attempts]
        selected += select_captured_tries(act, segments.rows, tries, own)
        start += act.storm.act.attempts
    index = np.unique(np.concatenate([attempt.rows for attempt in selected]))
    files: dict[str, Callable[[Path], None]] = {EVIDENCE: partial(write_evidence, paths, segments.rows[index])}
    findings = analyse(observed, [attempt.evidence for attempt in selected])
    if draw:
        from stress.view.figure.run.run_figures import figure_writers  # noqa: PLC0415  # matplotlib takes longer than a small file

        files |= figure_writers(findings)
    return run_folder.write(observed, findings.summary, results, files)


def write_evidence(paths: Sequence[Path], rows: npt.NDArray[Any], path: Path) -> None:
    """Write the packets of some segments to a file."""
    copy_frames(paths, rows, path)


def with_port(segments: Segments, port: int) -> Segments:
    """Return the segments from and to a port.

    Raises:
        UsageError: there are none.
    """
    rows = segments.rows
    own = rows[(rows["source_port"] == port) | (rows["destination_port"] == port)]
    if len(rows) and not len(own):
        names = ", ".join(file.name for file in segments.files)
        raise UsageError(f"{names}: none of {len(rows):,} TCP segments is from or to port {port}; leave out --port.")
    return Segments(own, segments.files)
