# SPDX-License-Identifier: MIT
"""A calibration: every scenario twice in each block, as A and as B, though they are the same."""

from collections.abc import Sequence

import msgspec

import stress
from stress.analysis.statistics.noise import measure_noise, measure_sessions, worst_noise
from stress.analysis.statistics.trials import CellTrials
from stress.model.calibration import CALIBRATION_SCHEMA, Calibration
from stress.model.suite import Entry, Suite
from stress.store.suite_folder import Manifest
from stress.storm.catalogue import find_scenario

ARMS = ("A", "B")


def calibration_suite(names: list[str], *, trials: int, attempts: int | None, seed: int) -> Suite:
    """Return a suite that compares scenarios with themselves.

    Raises:
        UsageError: there is no such scenario.
    """
    entries = []
    for name in names:
        plan = find_scenario(name).plan
        if attempts is not None and not plan.acts:
            plan = msgspec.structs.replace(plan, attempts=attempts)
        entries += [Entry(label=f"{name} {arm}", plan=plan, axes={}) for arm in ARMS]
    return Suite(
        name="calibration",
        description="every scenario twice in each block: what differs is noise",
        trials=trials,
        seed=seed,
        entries=entries,
    )


def build_calibration(sessions: Sequence[tuple[Manifest, list[CellTrials]]], *, pause_s: float = 0.0) -> Calibration:
    """Return the calibration of a machine by its finished calibration suites, each of a session of its own.

    Args:
        sessions: the suites, in the order of time.
        pause_s: between two of them.
    """
    file = sessions[-1][0]
    (fingerprint, *_) = file.fingerprints.values()
    names = dict.fromkeys(trials.cell.plan.scenario for trials in sessions[0][1])
    twins = {name: [twin_cells(name, cells) for _, cells in sessions] for name in names}
    return Calibration(
        schema=CALIBRATION_SCHEMA,
        program=f"connstorm {stress.__version__}",
        started_utc=file.started_utc,
        testbed=fingerprint.host.testbed,
        kernel=fingerprint.host.kernel,
        cpu=fingerprint.host.cpu,
        trials=file.suite.trials,
        scenarios={name: worst_noise([measure_noise(*cells) for cells in twins[name]]) for name in names},
        sessions={name: noises for name in names if (noises := measure_sessions(twins[name]))},
        pause_s=pause_s if len(sessions) > 1 else 0.0,
    )


def twin_cells(name: str, cells: list[CellTrials]) -> tuple[CellTrials, CellTrials]:
    """Return the two cells of a scenario."""
    by_label = {trials.cell.scenario: trials for trials in cells}
    one, other = (by_label[f"{name} {arm}"] for arm in ARMS)
    return one, other
