# SPDX-License-Identifier: MIT
"""JSON as pyperf saves it: one benchmark per row and metric, one run per trial, in seconds.

A value must be above 0 there, and its unit is one of second, byte and integer: only times go in.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from stress.analysis.metric import Metric
from stress.model.text import escape_json
from stress.model.units import SECOND_NS
from stress.view.export.column import Column, Sample
from stress.view.export.format import SECONDS, Format

FORMAT_VERSION = "1.0"


def encode(column: Column, metrics: Sequence[Metric]) -> bytes:
    """Return the file of a column."""
    first = column.runs[0]
    times = column.samples([metric for metric in metrics if metric.unit == "ns"])
    document = {
        "benchmarks": [benchmark(sample) for sample in times if max(sample.values) > 0],
        "metadata": {
            "cpu_count": first.host.cpus,
            "cpu_model_name": first.host.cpu,
            "hostname": first.host.testbed,
            "platform": f"Linux-{first.host.kernel}",
            "python_version": first.host.python,
            "unit": "second",
        },
        "version": FORMAT_VERSION,
    }
    return escape_json(msgspec.json.encode(document)) + b"\n"


def benchmark(sample: Sample) -> dict[str, Any]:
    """Return one benchmark."""
    return {
        "metadata": {"name": f"{sample.row} {sample.metric.name}", "loops": 1},
        "runs": [
            {
                "metadata": {"date": local_time(run.started_utc)},
                "values": [value / SECOND_NS],
            }
            for value, run in zip(sample.values, sample.runs, strict=True)
            if value > 0
        ],
    }


def local_time(started_utc: str) -> str:
    """Return a time as pyperf writes it, which is without a zone."""
    return datetime.fromisoformat(started_utc).strftime("%Y-%m-%d %H:%M:%S.%f")


FORMATS = {"pyperf": Format(".json", "pyperf compare_to, stats, hist", encode, units=SECONDS, position=2)}
