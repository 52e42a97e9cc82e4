# SPDX-License-Identifier: MIT
"""Latencies as an HdrHistogram log, version 1.2: one interval per run and outcome, the outcome as its tag.

Warm-up is left out. Values are in ns, to three digits. Needs hdrhistogram, which encodes the histograms; its own writer
of logs knows no tags.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.findings import ActFindings
from stress.analysis.attribution.outcome import OUTCOMES
from stress.model.attempt import STORM
from stress.model.extra import require_package
from stress.model.text import one_line
from stress.model.units import SECOND_NS
from stress.view.export.attempt_table import Attempts
from stress.view.export.format import Format

LOWEST_NS, HIGHEST_NS = 1, 3_600_000_000_000
DIGITS = 3
EXACT_BITS = 11  # values below 2 ** 11 have a slot each, larger ones share: so three digits are kept
CHUNK = 1 << 20
MS_NS = 1_000_000
HEAD = (
    "#[connstorm: connect() latency in ns, a tag for each outcome; Interval_Max is in ms]\n"
    "#[Histogram log format version 1.2]\n"
)
LEGEND = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n'


def write(runs: Iterable[Attempts], stream: IO[bytes]) -> None:
    """Write the histograms of runs, which come in the order of their times.

    Raises:
        UsageError: hdrhistogram is not installed.
    """
    histogram_type = hdr_histogram()
    start_s = None
    for attempts in runs:
        begun_s = datetime.fromisoformat(attempts.observation.started_utc).timestamp()
        if start_s is None:
            start_s = begun_s
            stream.write(HEAD.encode())
            stream.write(
                f"#[StartTime: {start_s:.3f} (seconds since epoch), {attempts.observation.started_utc}]\n".encode()
            )
            stream.write(f"#[BaseTime: {start_s:.3f} (seconds since epoch)]\n{LEGEND}".encode())
        several = len(attempts.findings.acts) > 1
        for act in attempts.findings.acts:
            name = act.storm.act.name if several else ""
            for line in lines(act, tag_of(attempts.row, name), begun_s - start_s, histogram_type):
                stream.write(line.encode())


def tag_of(row: str, act: str) -> str:
    """Return what stands before the outcome in a tag: a row, an act; tags have neither blank nor comma."""
    return "".join(f"{one_line(part).replace(' ', '/').replace(',', ';')}:" for part in (row, act) if part)


def lines(act: ActFindings, tag: str, run_s: float, histogram_type: Any) -> Iterator[str]:
    """Yield a line for each outcome that occurred.

    Args:
        act: whose attempts.
        tag: what to put before the outcome.
        run_s: when the run began, since the log's base time.
        histogram_type: hdrh's.
    """
    records = act.storm.attempts
    if not len(records):
        return
    first_s = run_s + int(records["start_ns"][0]) / SECOND_NS
    length_s = (int(records["start_ns"][-1]) - int(records["start_ns"][0])) / SECOND_NS
    for code, outcome in enumerate(OUTCOMES):
        histogram = histogram_type(LOWEST_NS, HIGHEST_NS, DIGITS)
        for latencies in of_outcome(act, code):
            for value, count in zip(*slots(latencies), strict=True):
                histogram.record_value(value, count)
        if histogram.get_total_count():
            payload = histogram.encode().decode()
            highest_ms = histogram.get_max_value() / MS_NS
            yield f"Tag={tag}{outcome.value},{first_s:.3f},{length_s:.3f},{highest_ms:.3f},{payload}\n"


def of_outcome(act: ActFindings, code: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the latencies of the attempts with an outcome, without warm-up, a piece at a time (ns)."""
    records = act.storm.attempts
    for first in range(0, len(records), CHUNK):
        part = slice(first, first + CHUNK)
        chosen = (act.outcomes[part] == code) & (records["phase"][part] == STORM)
        if chosen.any():
            yield np.clip(records["latency_ns"][part][chosen], LOWEST_NS, HIGHEST_NS)


def slots(latencies: npt.NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """Return the histogram's slots that latencies fall into, by the lowest value of each, and how many do."""
    _, bits = np.frexp(latencies.astype(np.float64))
    shift = np.maximum(bits - EXACT_BITS, 0)
    values, counts = np.unique(latencies >> shift << shift, return_counts=True)
    return values.tolist(), counts.tolist()


def hdr_histogram() -> Any:
    """Return hdrh's histogram.

    Raises:
        UsageError: it is not installed.
    """
    require_package("hdrh", "hdrhistogram", "--format hlog", instead="use --format csv")
    from hdrh.histogram import HdrHistogram  # noqa: PLC0415  # an extra

    return HdrHistogram


FORMATS = {"hlog": Format(".hlog", "HdrHistogram's log, latencies by outcome", write=write, separates=True, position=8)}
