# SPDX-License-Identifier: MIT
"""Text as Go's benchmarks print it: one line per trial with all its metrics, after the settings that it ran with.

A setting holds for all lines after it until it is written again, so only what changes is written. For benchstat:
``benchstat -col kernel -row .fullname FILE``.
"""

from collections.abc import Iterator, Sequence

from stress.analysis.comparison.counter_metric import value_of
from stress.analysis.metric import Metric
from stress.analysis.statistics.trials import TIMED_UNITS
from stress.model.observation import Observation
from stress.model.text import one_line
from stress.view.export.column import Column
from stress.view.export.format import Format

UNITS = {"ns": "-ns", "/s": "/s"}  # behind a metric's name; benchstat scales what ends in -ns


def encode(column: Column, metrics: Sequence[Metric]) -> bytes:
    """Return the file of a column."""
    return "".join(f"{line}\n" for line in lines(column, metrics)).encode()


def lines(column: Column, metrics: Sequence[Metric]) -> Iterator[str]:
    """Yield the lines: the better direction of each metric, then the trials."""
    for metric in metrics:
        if metric.better:
            yield f"Unit {unit_name(metric)} better={metric.better}"
    row_of = {run.path: row for row, runs in column.rows.items() for run in runs}
    known: dict[str, str] = {}
    for run in column.runs:
        line_settings = settings(column, run)
        for key in {**known, **line_settings}:
            if known.get(key, "") != line_settings.get(key, ""):
                yield f"{key}: {line_settings.get(key, '')}".rstrip()
        known = line_settings
        if values := list(value_texts(run, metrics)):
            yield " ".join([benchmark_name(row_of[run.path], run.host.cpus), str(run.summary.attempts), *values])


def settings(column: Column, run: Observation) -> dict[str, str]:
    """Return the settings of a trial; keys begin with a lower-case letter and have no blank."""
    return {
        key: one_line(value)
        for key, value in {
            "kernel": run.host.kernel,
            "cpu": run.host.cpu,
            "testbed": run.host.testbed,
            "program": run.program,
            "label": run.label,
            **({column.dimension: column.name} if column.dimension else {}),
            **run.settings,
        }.items()
    }


def value_texts(run: Observation, metrics: Sequence[Metric]) -> Iterator[str]:
    """Yield each value of a trial with its unit; missing values are left out."""
    for metric in metrics:
        value = value_of(metric, run)
        if value is not None and (run.timed or metric.unit not in TIMED_UNITS):
            yield f"{value:.12g} {unit_name(metric)}"


def unit_name(metric: Metric) -> str:
    """Return a metric with its unit in one word: ``body.p99-ns``."""
    return metric.name + UNITS.get(metric.unit, "")


def benchmark_name(row: str, cpus: int) -> str:
    """Return the name of a row: ``BenchmarkClosewait/mines=500-2``.

    What follows the last dash is taken for a number of CPUs, so there always is one.
    """
    first, *rest = one_line(row).split(" ") if row else ["storm"]
    return "/".join(["Benchmark" + first[:1].upper() + first[1:], *filter(None, rest)]) + f"-{cpus}"


FORMATS = {"benchfmt": Format(".txt", "Go's benchstat", encode, separates=True, position=3)}
