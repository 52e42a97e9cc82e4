# SPDX-License-Identifier: MIT
"""Exporter: runs in, files of one format out."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from stress.analysis.attribution.summary import analyse
from stress.analysis.comparison.counter_metric import refuse_unknown_counters
from stress.analysis.metric import Metric, find_metric
from stress.model.errors import UsageError
from stress.model.observation import Observation
from stress.store import run_folder
from stress.view.export.attempt_table import Attempts
from stress.view.export.column import Column, columns, stems
from stress.view.export.destination import make_folder, output_file
from stress.view.export.format import Format
from stress.view.export.profiled_run import read_profiles
from stress.view.export.registry import FORMATS

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
)  # unless others are requested
NUMBERED = "pytest-benchmark"  # its compare finds files by a number in front: 0001


class Exporter:
    """One export: which runs go into which files, known before anything is written."""

    def __init__(self, runs: Sequence[Observation], name: str, metrics: Sequence[str], by: str | None) -> None:
        """Sort runs into files.

        Args:
            runs: of all arms.
            name: of the format.
            metrics: names of those that were asked for; none takes METRICS.
            by: a dimension, each value of which makes a file; None makes one.

        Raises:
            UsageError: the format cannot have these metrics, or the runs are no trials of one thing.
        """
        self.name = name
        self.format: Format = FORMATS[name]
        self.metrics = metrics_of_format(name, metrics)
        refuse_unknown_counters(self.metrics, runs)
        self.columns = columns(runs, by, separates=self.format.separates)
        self.by = by
        if self.format.write is None and self.format.profile is None:
            for column in self.columns:
                self.refuse_empty(column)

    def refuse_empty(self, column: Column) -> None:
        """Raise UsageError for a column in which no run has a value."""
        wanted = [metric for metric in self.metrics if self.format.units is None or metric.unit in self.format.units]
        if not any(column.samples(wanted)):
            raise UsageError(
                f"No run{f' of {column.name}' if column.name else ''} has a value of "
                f"{', '.join(run.name for run in wanted)}; there is nothing to export."
            )

    @property
    def folder(self) -> bool:
        """Whether the output is a folder of files."""
        return self.by is not None or self.format.files is not None

    def stream(self, stream: IO[bytes]) -> None:
        """Write the one file of an export that is no folder."""
        (column,) = self.columns
        self.column(column, stream)

    def file(self, path: Path) -> Iterator[Path]:
        """Write the one file, or the files of a folder; yield each as it is complete.

        Raises:
            StoreError: one cannot be written.
        """
        if not self.folder:
            with output_file(path) as stream:
                self.stream(stream)
            yield path
            return
        make_folder(path)
        for column, stem in zip(self.columns, self.stems(), strict=True):
            if self.format.files is not None:
                inside = path / stem if stem else path
                make_folder(inside)
                for name, data in self.format.files(column, self.metrics).items():
                    with output_file(inside / name) as stream:
                        stream.write(data)
                    yield inside / name
            else:
                with output_file(path / f"{stem}{self.format.suffix}") as stream:
                    self.column(column, stream)
                yield path / f"{stem}{self.format.suffix}"

    def stems(self) -> list[str]:
        """Return the file name of each column without its suffix; ``""`` for the only one."""
        if self.by is None:
            return [""]
        names = stems(f"{column.dimension}-{column.name}" for column in self.columns)
        numbers = (f"{number:04}_" if self.name == NUMBERED else "" for number in range(1, len(names) + 1))
        return [number + stem for number, stem in zip(numbers, names.values(), strict=True)]

    def column(self, column: Column, stream: IO[bytes]) -> None:
        """Write one file."""
        if self.format.write is not None:
            self.format.write(read_attempts(column), stream)
        elif self.format.profile is not None:
            self.format.profile(read_profiles(column.runs), stream)
        elif self.format.encode is not None:
            stream.write(self.format.encode(column, self.metrics))


def metrics_of_format(name: str, wanted: Sequence[str]) -> list[Metric]:
    """Return the metrics that a format is given.

    Raises:
        UsageError: there is no such metric, or the format cannot have it.
    """
    units = FORMATS[name].units
    metrics = [find_metric(metric) for metric in wanted or METRICS]
    if units is None or not wanted:
        return metrics
    for metric in metrics:
        if metric.unit not in units:
            raise UsageError(
                f"{metric.name} is no time, and {name} knows nothing else; leave it out, or use benchfmt or bmf."
            )
    return [*metrics, *(metric for metric in map(find_metric, METRICS) if metric.unit not in units)]


def read_attempts(column: Column) -> Iterator[Attempts]:
    """Read and analyse the runs of a column, one after the other; one at a time is in memory."""
    row_of = {run.path: row for row, runs in column.rows.items() for run in runs}
    for observation in column.runs:
        run, summary = run_folder.read(observation.path)
        row = row_of[observation.path] if len(column.rows) > 1 else ""
        yield Attempts(observation, row, analyse(run, summary.evidence))
