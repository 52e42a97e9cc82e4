# SPDX-License-Identifier: MIT
"""Noise: the apparent change when an arm is compared with itself."""

from stress.analysis.metric import METRICS, Metric
from stress.analysis.statistics.trials import TIMED_UNITS, CellTrials, Kind, median_interval, values_by_block
from stress.analysis.statistics.two_sample import paired_contrast
from stress.model.calibration import Noise

# The metrics that gate and those that are always explored. Counts of causes and outcomes have too little noise for a
# threshold.
CALIBRATED_METRICS = (
    "rate",
    "duration",
    "body.p50",
    "body.p90",
    "body.p99",
    "body.p999",
    "retries_per_million",
    "late_per_million",
    "errors_per_million",
)


def measure_noise(one: CellTrials, other: CellTrials) -> dict[str, Noise]:
    """Return the noise of each metric that two cells of the same plan have in at least two blocks."""
    noises = {name: metric_noise(one, other, METRICS[name]) for name in CALIBRATED_METRICS}
    return {name: noise for name, noise in noises.items() if noise is not None}


def metric_noise(one: CellTrials, other: CellTrials, metric: Metric) -> Noise | None:
    """Return the noise of one metric; None if fewer than two blocks have its value in both cells."""
    kind: Kind = "ratio" if metric.unit in TIMED_UNITS else "difference"
    base, new = values_by_block(one, metric), values_by_block(other, metric)
    blocks = [block for block in base if block in new]
    if kind == "ratio":
        blocks = [block for block in blocks if base[block] > 0 and new[block] > 0]
    middle = median_interval([*base.values(), *new.values()])
    if len(blocks) < 2 or middle is None:
        return None
    change = paired_contrast([base[block] for block in blocks], [new[block] for block in blocks], kind)
    ends = (change.high, 1 / change.low) if kind == "ratio" else (abs(change.low), abs(change.high))
    floor = max(ends) - (1 if kind == "ratio" else 0)
    return Noise(kind=kind, floor=floor, spread=change.spread, median=middle.median)
