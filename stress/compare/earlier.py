# SPDX-License-Identifier: MIT
"""The run before a run, among those that are stored."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from stress.analysis.comparison.earlier import EarlierRun, compare_with_earlier
from stress.model.errors import UsageError
from stress.model.extra import is_installed
from stress.model.observation import Observation
from stress.store.calibration import find_calibration
from stress.store.overview import RunOverview, read_overview
from stress.store.runs import read_observation
from stress.store.sessions import with_sessions
from stress.store.stored_names import list_stored

READ_MAX = 20  # of a scenario's runs, the newest: nobody waits for more


def find_earlier(path: Path, results: Path) -> EarlierRun | None:
    """Return how a new run differs from the comparable one before it; None where there is none, or no scipy to compare.

    Args:
        path: its run folder.
        results: the folder of all runs.

    Raises:
        UsageError: the new run is damaged.
    """
    if not is_installed("scipy"):  # of an extra: who only runs storms is told nothing
        return None
    now = read_observation(path, path.name)
    if not now.summary.body.p50_ns:
        return None
    candidates = list(earlier_runs(now, path, results))
    if not candidates:
        return None
    calibration = None
    with suppress(UsageError):  # one that is damaged is reported by those who ask for it, not by a run that is done
        calibration = find_calibration(results, now.host.testbed)
    now, *candidates = with_sessions([now, *candidates])
    return compare_with_earlier(now, candidates, calibration)


def earlier_runs(now: Observation, path: Path, results: Path) -> Iterator[Observation]:
    """Yield the runs of the scenario that began before a run, the newest first; none that is damaged or interrupted."""
    others = (entry for entry in list_stored(results) if not entry.is_suite and entry.path.name != path.name)
    of_scenario = (entry for entry in others if entry.subject == now.plan.scenario)
    for entry in islice(of_scenario, READ_MAX):
        overview = read_overview(entry)
        if not isinstance(overview, RunOverview) or overview.interrupted or overview.lost:
            continue
        with suppress(UsageError):
            before = read_observation(entry.path, entry.short_name)
            if before.started_utc < now.started_utc:
                yield before
