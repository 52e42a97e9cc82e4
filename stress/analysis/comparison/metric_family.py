# SPDX-License-Identifier: MIT
"""Family: the metrics in which runs are compared, those that gate and those that are explored beside them."""

from collections.abc import Iterable, Sequence

from stress.analysis.metric import ERRORS, PER_MILLION, Metric, band_name, metric
from stress.model.observation import Observation
from stress.model.outcome import Cause

# Few, so that their correction leaves them power; none of them can fall between two bands.
GATING = ("rate", "body.p50", "body.p99", "retries_per_million", "errors_per_million")
EXPLORED = ("body.p90", "body.p999", "duration", "late_per_million")


def explored(runs: Iterable[Observation]) -> list[Metric]:
    """Return the metrics that say more of what runs came to: every band, error and cause that any of them has."""
    bands: dict[str, None] = {}
    outcomes: set[str] = set()
    causes: set[str] = set()
    for run in runs:
        bands.update(dict.fromkeys(band_name(band.label) for band in run.summary.bands if band.count))
        outcomes.update(name for name, count in run.summary.outcomes.items() if count)
        causes.update(name for name, count in run.summary.causes.items() if count)
    names = [
        *EXPLORED,
        *bands,
        *(f"outcome.{name}{PER_MILLION}" for name in ERRORS if name in outcomes),
        *(f"cause.{name}{PER_MILLION}" for name in Cause if name in causes and name is not Cause.NONE),
    ]
    return [metric(name) for name in names]


def families(runs: Sequence[Observation], chosen: Sequence[str] = ()) -> list[tuple[Metric, bool]]:
    """Return the metrics in which runs are compared, each with whether it gates.

    Args:
        runs: of all arms.
        chosen: names that the user gives: these gate, and nothing else is looked at.

    Raises:
        UsageError: there is no metric of such a name.
    """
    if chosen:
        return [(metric(name), True) for name in dict.fromkeys(chosen)]
    return [*((metric(name), True) for name in GATING), *((each, False) for each in explored(runs))]
