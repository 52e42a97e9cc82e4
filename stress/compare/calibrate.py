# SPDX-License-Identifier: MIT
"""A calibration: every scenario twice in each block, as A and as B, though they are the same."""

import msgspec

import stress
from stress.analysis.statistics.noise import measure_noise
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


def build_calibration(file: Manifest, cells: list[CellTrials]) -> Calibration:
    """Return the calibration of a machine by its finished calibration suite."""
    (fingerprint, *_) = file.fingerprints.values()
    by_label = {trials.cell.scenario: trials for trials in cells}
    names = dict.fromkeys(trials.cell.plan.scenario for trials in cells)
    return Calibration(
        schema=CALIBRATION_SCHEMA,
        program=f"connstorm {stress.__version__}",
        started_utc=file.started_utc,
        testbed=fingerprint.host.testbed,
        kernel=fingerprint.host.kernel,
        cpu=fingerprint.host.cpu,
        trials=file.suite.trials,
        scenarios={name: measure_noise(*(by_label[f"{name} {arm}"] for arm in ARMS)) for name in names},
    )
