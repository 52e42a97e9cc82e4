# SPDX-License-Identifier: MIT
"""Families of metrics in which runs are compared: those that gate, and those that are only explored."""

from collections.abc import Iterable, Sequence

from stress.analysis.comparison.counter_metric import refuse_unknown_counters
from stress.analysis.metric import ERROR_OUTCOMES, PER_MILLION_SUFFIX, Metric, band_name, find_metric
from stress.model.observation import Observation
from stress.model.outcome import Cause

# Few, so that the correction leaves them power; none of them can fall between two bands.
GATING_METRICS = ("rate", "body.p50", "body.p99", "retries_per_million", "errors_per_million")
# In which the cells of a suite are compared with their baseline.
SURVEYED_METRICS = (
    "rate",
    "body.p50",
    "body.p99",
    "retries_per_million",
    "late_per_million",
    "errors_per_million",
    "duration",
)
EXPLORED_METRICS = ("body.p90", "body.p999", "duration", "late_per_million")


def explored_metrics(runs: Iterable[Observation]) -> list[Metric]:
    """Return the metrics that are explored: some of all runs, and every band, error and cause that a run has."""
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


def metric_families(
    runs: Sequence[Observation], names: Sequence[str] = (), *, is_survey: bool = False
) -> list[tuple[Metric, bool]]:
    """Return the metrics in which runs are compared, each with whether it gates.

    Args:
        runs: of all arms.
        names: the names that the user gives: these gate, and no other metric is compared.
        is_survey: whether the cells of a suite are compared with its baseline: then nothing gates.

    Raises:
        UsageError: there is no metric of such a name.
    """
    if names:
        named = [find_metric(name) for name in dict.fromkeys(names)]
        refuse_unknown_counters(named, runs)
        return [(metric, True) for metric in named]
    if is_survey:
        return [
            (metric, False) for metric in dict.fromkeys([*map(find_metric, SURVEYED_METRICS), *explored_metrics(runs)])
        ]
    return [
        *((find_metric(name), True) for name in GATING_METRICS),
        *((explored, False) for explored in explored_metrics(runs)),
    ]
