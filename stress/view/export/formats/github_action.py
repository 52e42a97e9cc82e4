# SPDX-License-Identifier: MIT
"""JSON for github-action-benchmark: customSmallerIsBetter and customBiggerIsBetter, one file per direction."""

from collections.abc import Sequence
from typing import Any, Literal

from stress.analysis.metric import Metric
from stress.analysis.statistics.trials import Estimate, median_interval
from stress.model.text import plural, shown_json
from stress.view.export.column import Column, Sample
from stress.view.export.format import Format

COUNT = "count"  # the unit of numbers without a unit


def smaller(column: Column, metrics: Sequence[Metric]) -> bytes:
    """Return the metrics of a column for which lower is better."""
    return encode(column, metrics, "lower")


def bigger(column: Column, metrics: Sequence[Metric]) -> bytes:
    """Return the metrics of a column for which higher is better."""
    return encode(column, metrics, "higher")


def encode(column: Column, metrics: Sequence[Metric], better: Literal["lower", "higher"]) -> bytes:
    """Return the metrics of one direction."""
    selected = [metric for metric in metrics if metric.better == better]
    document = [entry(sample) for sample in column.samples(selected)]
    return shown_json(document)


def entry(sample: Sample) -> dict[str, Any]:
    """Return one value: the median over trials, with its interval as text."""
    interval = median_interval(sample.values)
    assert interval is not None  # a sample has a value at least
    return {
        "name": f"{sample.row} {sample.metric.name}",
        "unit": sample.metric.unit or COUNT,
        "value": interval.median,
        **({"range": range_text(interval)} if interval.trials > 1 else {}),
        "extra": ", ".join(
            [
                plural(interval.trials, "trial"),
                plural(sample.attempts, "attempt"),
                f"kernel {sample.runs[0].host.kernel}",
            ]
        ),
    }


def range_text(interval: Estimate) -> str:
    """Return the ends of an interval as the chart shows them."""
    return f"{interval.low:.6g}..{interval.high:.6g}"


FORMATS = {
    "github-smaller": Format(".json", "github-action-benchmark, customSmallerIsBetter", smaller, position=5),
    "github-bigger": Format(".json", "github-action-benchmark, customBiggerIsBetter", bigger, position=6),
}
