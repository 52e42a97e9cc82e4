# SPDX-License-Identifier: MIT
"""The formats of connstorm export, as one table."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import IO

from stress.analysis.metric import Metric
from stress.view.export import (
    attempts_csv,
    bencher,
    benchfmt,
    github_action,
    histogram_log,
    otava,
    parquet,
    pyperf,
    pytest_benchmark,
)
from stress.view.export.attempt_table import Attempts
from stress.view.export.column import Column

SECONDS = frozenset({"ns"})
METRICS = (
    "body.p50",
    "body.p90",
    "body.p99",
    "body.p999",
    "body.max",
    "rate",
    "retries_per_million",
    "late_per_million",
    "errors_per_million",
)  # unless others are asked for


@dataclass(frozen=True)
class Format:
    """A format; it has one of ``encode``, ``files`` and ``write``.

    Attributes:
        suffix: of its files.
        summary: what it is for, in a line.
        encode: the file of a column, from metrics over trials.
        files: several files of a column, in a folder.
        write: the attempts themselves, to a binary stream.
        units: of the metrics that it can have as values; None: any.
        separates: whether it keeps trials apart, so that trials of several kernels and arms may share a file.
    """

    suffix: str
    summary: str
    encode: Callable[[Column, Sequence[Metric]], bytes] | None = None
    files: Callable[[Column, Sequence[Metric]], dict[str, bytes]] | None = None
    write: Callable[[Iterable[Attempts], IO[bytes]], None] | None = None
    units: frozenset[str] | None = None
    separates: bool = False


FORMATS: dict[str, Format] = {
    "pytest-benchmark": Format(
        ".json", "pytest-benchmark compare, with --between and --histogram", pytest_benchmark.encode, units=SECONDS
    ),
    "pyperf": Format(".json", "pyperf compare_to, stats, hist", pyperf.encode, units=SECONDS),
    "benchfmt": Format(".txt", "Go's benchstat", benchfmt.encode, separates=True),
    "bmf": Format(".json", "Bencher", bencher.encode),
    "github-smaller": Format(".json", "github-action-benchmark, customSmallerIsBetter", github_action.smaller),
    "github-bigger": Format(".json", "github-action-benchmark, customBiggerIsBetter", github_action.bigger),
    "otava": Format("", "Apache Otava: a folder of CSV files and otava.yaml", files=otava.files, separates=True),
    "hlog": Format(".hlog", "HdrHistogram's log, latencies by outcome", write=histogram_log.write, separates=True),
    "csv": Format(".csv", "every attempt, one a line", write=attempts_csv.write, separates=True),
    "parquet": Format(".parquet", "every attempt, for DuckDB, pandas, polars", write=parquet.write, separates=True),
}
