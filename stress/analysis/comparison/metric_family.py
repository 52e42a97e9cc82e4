# SPDX-License-Identifier: MIT
"""Family: the metrics in which runs are compared, those that gate and those that are explored beside them."""

from collections.abc import Iterable, Sequence

from stress.analysis.metric import ERROR_OUTCOMES, PER_MILLION_SUFFIX, Metric, band_name, find_metric
from stress.model.observation import Observation
from stress.model.outcome import Cause

# Few, so that their correction leaves them power; none of them can fall between two bands.
GATING_METRICS = ("rate", "body.p50", "body.p99", "retries_per_million", "errors_per_million")
EXPLORED_METRICS = ("body.p90", "body.p999", "duration", "late_per_million")


def explored_metrics(runs: Iterable[Observation]) -> list[Metric]:
    """Return the metrics that say more of what runs came to: every band, error and cause that any of them has."""
    bands: dict[str, None] = {}
    outcomes: set[str] = set()
    causes: set[str] = set()
    for run in runs:
        bands.update(dict.fromkeys(band_name(band.label) for band in run.summary.bands if band.count))
        outcomes.update(name for name, count in run.summary.outcomes.items() if count)
        causes.update(name for name, count in run.summary.causes.items() if count)
    names = [
        *EXPLORED_METRICS,
        *bands,
        *(f"outcome.{name}{PER_MILLION_SUFFIX}" for name in ERROR_OUTCOMES if name in outcomes),
        *(f"cause.{name}{PER_MILLION_SUFFIX}" for name in Cause if name in causes and name is not Cause.NONE),
    ]
    return [find_metric(name) for name in names]


def metric_families(runs: Sequence[Observation], names: Sequence[str] = ()) -> list[tuple[Metric, bool]]:
    """Return the metrics in which runs are compared, each with whether it gates.

    Args:
        runs: of all arms.
        names: names that the user gives: these gate, and nothing else is looked at.

    Raises:
        UsageError: there is no metric of such a name.
    """
    if names:
        return [(find_metric(name), True) for name in dict.fromkeys(names)]
    return [
        *((find_metric(name), True) for name in GATING_METRICS),
        *((each, False) for each in explored_metrics(runs)),
    ]
