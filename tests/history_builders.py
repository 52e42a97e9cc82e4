# SPDX-License-Identifier: MIT
"""Series with known steps, and folders of stored runs made of a real one by changing its numbers."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from stored import a_document

from stress.analysis.history.series import Point, Series
from stress.analysis.metric import find_metric
from stress.analysis.statistics.trials import Estimate

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WIDTH = 0.02  # of the noise of times, as a share of their level


def a_point(place, value, *, width=0.0, trials=1, **changes):
    name = f"20260101T000000Z-closewait-{place:06x}"
    fields = {
        "time": BEGIN + place * DAY,
        "estimate": Estimate(value, value - width / 2, value + width / 2, trials, 0.95 if trials > 5 else 0.0),
        "attempts": 10_000,
        "program": "connstorm 1.0",
        "kernel": "6.18.44",
        "path": Path(name),
        "runs": (name,),
    }
    return Point(**(fields | changes))


def a_series(values, name="body.p50", *, cell="closewait", testbed="0f1e2d3c", current=True, **of_points):
    points = tuple(a_point(place, float(value), **of_points) for place, value in enumerate(values))
    return Series(cell, testbed, find_metric(name), "identity", current, current, points)


def noise(rng, points, *, share=0.0, tails=None):
    """Return noise whose typical width is 1: each a share of the one before and something new.

    Args:
        rng: where it comes from.
        points: how many.
        share: of AR(1).
        tails: degrees of freedom of Student's t; None: a normal distribution.
    """
    new = rng.normal(size=points + 50) if tails is None else rng.standard_t(tails, points + 50)
    values = np.zeros(points + 50)
    for place in range(1, points + 50):
        values[place] = share * values[place - 1] + new[place]
    return values[50:] / (np.median(np.abs(values[50:])) / 0.6745)


def drawn_series(seed, points, **of_noise):
    """Return the noise of a seed."""
    return noise(np.random.default_rng([seed, points]), points, **of_noise)


def levels(*stretches):
    """Return the level of each point; a stretch is how many points at how many widths."""
    return np.concatenate([np.full(count, float(height)) for count, height in stretches])


def times(heights):
    """Return times in ns whose logarithms are heights in widths of the noise."""
    return 11_000 * np.exp(WIDTH * np.asarray(heights))


def store(folder, number, *, program="connstorm 1.0", cpu=None, commit=None, **fields):
    """Write a run folder, a run a day, and return its name; ``fields`` are those of ``a_document``."""
    started = BEGIN + number * DAY
    document = a_document(started=started.isoformat(), **fields) | {"program": program, "id": f"{number:06x}"}
    if commit:
        document["commit"] = commit
    if cpu:
        document["host"]["cpu"] = cpu
    name = f"{started:%Y%m%dT%H%M%SZ}-closewait-{number:06x}"
    (folder / name).mkdir(parents=True)
    (folder / name / "run.json").write_text(json.dumps(document))
    return name


def store_all(folder, rates, *, first=0, **fields):
    """Write a run folder for each rate and return their names."""
    return [store(folder, first + number, rate=float(rate), **fields) for number, rate in enumerate(rates)]


def wavering(*stretches):
    """Return rates that waver by a per cent about levels; a stretch is how many runs at what rate."""
    rates = np.concatenate([np.full(count, float(rate)) for count, rate in stretches])
    return rates * (1 + 0.01 * np.sin(np.arange(len(rates)) * 12.9898 + np.arange(len(rates)) ** 2))
