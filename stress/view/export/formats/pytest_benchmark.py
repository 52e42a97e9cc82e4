# SPDX-License-Identifier: MIT
"""JSON as pytest-benchmark saves it: one benchmark per row and metric, one round per trial, in seconds.

``fullname`` joins the benchmarks of several files, so it has nothing of a kernel or of a column: these are what files
are compared for, and stand in the file's name and in ``machine_info``.
"""

import statistics
from collections.abc import Sequence
from typing import Any

from stress.analysis.metric import Metric
from stress.model.text import shown_json
from stress.model.units import SECOND_NS
from stress.view.export.column import Column, Sample
from stress.view.export.format import SECONDS, Format

FORMAT_VERSION = "5.3.1"  # of pytest-benchmark, whose files these are like
FENCE = 1.5  # inter-quartile ranges from the quartiles to Tukey's fences


def encode(column: Column, metrics: Sequence[Metric]) -> bytes:
    """Return the file of a column; metrics that are no times stand in ``extra_info``."""
    first = column.runs[0]
    other_values = {
        (sample.row, sample.metric.name): statistics.median(sample.values)
        for sample in column.samples([metric for metric in metrics if metric.unit != "ns"])
    }
    times = column.samples([metric for metric in metrics if metric.unit == "ns"])
    document = {
        "machine_info": machine(column),
        "commit_info": {
            "id": first.program,
            "time": None,
            "author_time": None,
            "dirty": False,
            "project": "connstorm",
            "branch": None,
        },
        "benchmarks": [benchmark(column, sample, other_values) for sample in times],
        "datetime": first.started_utc,
        "version": FORMAT_VERSION,
    }
    return shown_json(document)


def machine(column: Column) -> dict[str, Any]:
    """Return where the runs of a column happened."""
    run = column.runs[0]
    return {
        "node": run.host.testbed,
        "system": "Linux",
        "release": run.host.kernel,
        "cpu": {"brand_raw": run.host.cpu, "count": run.host.cpus},
        "python_version": run.host.python,
        "clocksource": run.host.clocksource,
        "sysctls": run.settings,
        "column": {column.dimension: column.name} if column.dimension else {},
    }


def benchmark(column: Column, sample: Sample, other_values: dict[tuple[str, str], float]) -> dict[str, Any]:
    """Return one benchmark."""
    name = sample.metric.name
    return {
        "group": name,
        "name": f"{sample.row} {name}",
        "fullname": f"{sample.row}::{name}",
        "param": f"{sample.row}-{name}",
        "params": column.keys[sample.row] | {"metric": name},
        "extra_info": {
            "attempts": sample.attempts,
            "median_over_trials": {other: value for (row, other), value in other_values.items() if row == sample.row},
            "runs": [run.path.name for run in sample.runs],
        },
        "options": {},
        "stats": stats([value / SECOND_NS for value in sample.values]),
    }


def stats(data: Sequence[float]) -> dict[str, Any]:
    """Return pytest-benchmark's statistics of the times of all rounds, in seconds."""
    ordered = sorted(data)
    mean = statistics.fmean(ordered)
    stddev = statistics.stdev(ordered) if len(ordered) > 1 else 0.0
    q1, q3 = quartiles(ordered)
    low, high = q1 - FENCE * (q3 - q1), q3 + FENCE * (q3 - q1)
    by_stddev = sum(not mean - stddev <= value <= mean + stddev for value in ordered)
    by_fences = sum(not low <= value <= high for value in ordered)
    return {
        "min": ordered[0],
        "max": ordered[-1],
        "mean": mean,
        "stddev": stddev,
        "rounds": len(ordered),
        "median": statistics.median(ordered),
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": by_fences,
        "stddev_outliers": by_stddev,
        "outliers": f"{by_stddev};{by_fences}",
        "ld15iqr": next(value for value in ordered if value >= low),
        "hd15iqr": next(value for value in reversed(ordered) if value <= high),
        "ops": 1 / mean if mean else 0.0,
        "total": sum(ordered),
        "data": list(data),
        "iterations": 1,
    }


def quartiles(ordered: Sequence[float]) -> tuple[float, float]:
    """Return the first and third quartile of an ordered sample; of a single value, that value twice.

    Of an even number of values they are the medians of the halves. Of an odd number, each is the mean of the medians of
    the half without and with the middle value.
    """
    half = len(ordered) // 2
    if len(ordered) == 1:
        return ordered[0], ordered[0]
    if len(ordered) % 2 == 0:
        return statistics.median(ordered[:half]), statistics.median(ordered[half:])
    without, with_middle = ordered[:half], ordered[: half + 1]
    upper, upper_with = ordered[half + 1 :], ordered[half:]
    return (
        (statistics.median(without) + statistics.median(with_middle)) / 2,
        (statistics.median(upper) + statistics.median(upper_with)) / 2,
    )


FORMATS = {
    "pytest-benchmark": Format(
        ".json", "pytest-benchmark compare, with --between and --histogram", encode, units=SECONDS, position=1
    )
}
