# SPDX-License-Identifier: MIT
"""Noise: the apparent change when an arm is compared with itself."""

import math
from collections.abc import Sequence
from operator import attrgetter

import numpy as np

from stress.analysis.metric import METRICS, Metric
from stress.analysis.statistics.session import session_value
from stress.analysis.statistics.session_tail import evenness
from stress.analysis.statistics.trials import TIMED_UNITS, CellTrials, Kind, median_interval, values_by_block
from stress.analysis.statistics.two_sample import paired_contrast
from stress.model.calibration import Noise, SessionNoise

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
SESSIONS_MIN = 2  # of one nobody knows how far it is from others


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


def worst_noise(several: Sequence[dict[str, Noise]]) -> dict[str, Noise]:
    """Return of each metric the noise with the highest floor, of the same scenario in several sessions."""
    names = dict.fromkeys(name for noises in several for name in noises)
    worst = attrgetter("floor")
    return {name: max((noises[name] for noises in several if name in noises), key=worst) for name in names}


def measure_sessions(sessions: Sequence[tuple[CellTrials, CellTrials]]) -> dict[str, SessionNoise]:
    """Return how far sessions differ in each time and rate that all of them have.

    Args:
        sessions: two cells of the same plan in each. What a session does to one it does to the other, so that their
            variances are averaged, and have the degrees of freedom of one.
    """
    noises = {}
    for name in CALIBRATED_METRICS:
        metric = METRICS[name]
        if metric.unit not in TIMED_UNITS or len(sessions) < SESSIONS_MIN:
            continue
        arms = [[positive_values(cell, metric) for cell in cells] for cells in zip(*sessions, strict=True)]
        if not all(values for arm in arms for values in arm):
            continue
        logarithms = [np.log([session_value(values, "ratio") for values in arm]) for arm in arms]
        noises[name] = SessionNoise(
            sd=math.sqrt(sum(float(arm.var(ddof=1)) for arm in logarithms) / len(logarithms)),
            df=len(sessions) - 1,
            trials=min(len(values) for arm in arms for values in arm),
            evenness=evenness(logarithms[0]),
        )
    return noises


def positive_values(cell: CellTrials, metric: Metric) -> list[float]:
    """Return the values of a cell's trials that have a ratio."""
    return [value for value in values_by_block(cell, metric).values() if value > 0]
