# SPDX-License-Identifier: MIT
"""Bencher Metric Format: for each row and metric the median over trials, and the ends of its interval."""

from collections.abc import Sequence

from stress.analysis.metric import Metric
from stress.analysis.statistics.trials import median_interval
from stress.model.text import shown_json
from stress.view.export.column import Column
from stress.view.export.format import Format

UNITS = {"ns": "-ns", "/s": "-per-s"}  # behind a metric's name: the format itself has no units


def encode(column: Column, metrics: Sequence[Metric]) -> bytes:
    """Return the file of a column. A single trial has a value and no interval."""
    document: dict[str, dict[str, dict[str, float]]] = {}
    for sample in column.samples(metrics):
        interval = median_interval(sample.values)
        assert interval is not None  # a sample has a value at least
        value = {"value": interval.median}
        if interval.trials > 1:
            value |= {"lower_value": interval.low, "upper_value": interval.high}
        measure = sample.metric.name + UNITS.get(sample.metric.unit, "")
        document.setdefault(sample.row, {})[measure] = value
    return shown_json(document)


FORMATS = {"bmf": Format(".json", "Bencher", encode, position=4)}
