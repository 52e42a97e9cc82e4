# SPDX-License-Identifier: MIT
"""The results of a suite so far: the trials of each cell that are on disk."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from stress.analysis.metric import METRICS, find_metric
from stress.analysis.statistics.trials import CellTrials, estimate_cell
from stress.analysis.statistics.typical_times import TypicalTimes, typical_times
from stress.model.attempt import ATTEMPT
from stress.model.kernel import HOST
from stress.model.layer import LAYER
from stress.model.suite import EMULATED, Cell, Status, TrialRecord
from stress.model.summary import Summary
from stress.store import run_folder, suite_folder
from stress.store.array_file import open_array
from stress.store.calibration import find_calibration
from stress.store.run_header import read_header
from stress.store.suite_folder import Manifest
from stress.store.trial_profile import unprofiled_reason

HostCell = tuple[str, str]  # the name of a host, and the name of a cell


def read_cell_trials(path: Path, file: Manifest) -> list[CellTrials]:
    """Return the trials of each cell, in the order of cells; with several hosts, separately for each host.

    Raises:
        UsageError: a trial's folder is damaged.
    """
    cells = {(host, cell.name): cell_on_host(cell, host, file) for host in file.hosts for cell in file.cells}
    done: dict[HostCell, dict[int, Summary]] = {key: {} for key in cells}
    failed: dict[HostCell, dict[int, str]] = {key: {} for key in cells}
    interrupted: dict[HostCell, dict[int, str]] = {key: {} for key in cells}
    unsupported: dict[HostCell, str] = {}
    busy: dict[HostCell, dict[int, tuple[str, ...]]] = {key: {} for key in cells}
    unprofiled: dict[HostCell, dict[int, str]] = {key: {} for key in cells}
    typical: dict[HostCell, dict[int, TypicalTimes]] = {key: {} for key in cells}
    for record in suite_folder.read_records(path).values():
        key, block = (file.host_of(record.trial), record.trial.cell), record.trial.block
        if key not in cells or file.round_of(record.trial) >= file.suite.trials:
            continue
        if record.status is Status.DONE:
            header = read_header(suite_folder.trial_run_folder(path, record))
            done[key][block] = header.summary
            if reasons := header.busy_reasons(record.settle):
                busy[key][block] = reasons
            if LAYER in cells[key].levels and (times := read_typical_times(path, record)):
                typical[key][block] = times
            if reason := unprofiled_reason(path, cells[key], record):
                unprofiled[key][block] = reason
        elif record.status is Status.FAILED:
            failed[key][block] = record.reason or ""
        elif record.status is Status.INTERRUPTED:
            interrupted[key][block] = record.reason or ""
        else:
            unsupported[key] = record.reason or ""
    floors = {host: known_floors(path.parent, file, host) for host in file.hosts}
    return [
        CellTrials(
            cell,
            done[key],
            failed[key],
            unsupported.get(key),
            interrupted=interrupted[key],
            planned=file.suite.trials,
            busy=busy[key],
            floors={} if cell.kernel != HOST else floors[key[0]],
            unprofiled=unprofiled[key],
            typical=typical[key],
        )
        for key, cell in cells.items()
    ]


def read_typical_times(path: Path, record: TrialRecord) -> TypicalTimes | None:
    """Return what an attempt of a trial that is done typically took, if it made two.

    Raises:
        UsageError: its array is damaged.
    """
    file = suite_folder.trial_run_folder(path, record) / run_folder.ATTEMPTS_FILE
    return typical_times(open_array(file, ATTEMPT))


def known_floors(results: Path, file: Manifest, host: str) -> dict[str, float]:
    """Return the smallest change of each metric that is not the noise of a host, as it was calibrated.

    Args:
        results: the folder that has the calibrations.
        file: the suite.
        host: one of its hosts.

    Raises:
        UsageError: the calibration is damaged.
    """
    known = find_calibration(results, file.fingerprints[host].host.testbed)
    return {name: floor for name in METRICS if (floor := known.floor(name)) is not None} if known else {}


def cell_on_host(cell: Cell, host: str, file: Manifest) -> Cell:
    """Return a cell under the name that it has on one host: with several hosts, the cell and its entry name the host.

    The entry also names emulation, for times of an emulated kernel are not compared with those of a real CPU.
    """
    scenario = file.name_on_host(cell.scenario, host)
    fingerprint = file.fingerprint(cell, host)
    if cell.kernel != HOST and fingerprint is not None and fingerprint.host.emulated:
        scenario += EMULATED
    return msgspec.structs.replace(cell, name=file.name_on_host(cell.name, host), scenario=scenario)


def rank_cells(cells: list[CellTrials], names: list[str]) -> list[CellTrials]:
    """Return cells ordered by their medians of metrics, the best first; cells without a median come last."""

    def rank(trials: CellTrials) -> list[tuple[bool, float]]:
        keys = []
        for metric in map(find_metric, names):
            estimate = estimate_cell(trials, metric)
            value = 0.0 if estimate is None else estimate.median
            keys.append((estimate is None, -value if metric.better == "higher" else value))
        return keys

    return sorted(cells, key=rank) if names else cells


def count_missing(cells: list[CellTrials]) -> int:
    """Return how many trials have not ended, or were interrupted: what --resume runs."""
    return sum(trials.missing + len(trials.interrupted) for trials in cells)


def cell_object(trials: CellTrials) -> dict[str, Any]:
    """Return a cell as ``--json`` prints it: how its trials ended, and the median of each metric with its interval."""
    estimates = {name: estimate_cell(trials, metric) for name, metric in METRICS.items()}
    return {
        "cell": trials.cell.name,
        "scenario": trials.cell.scenario,
        "levels": trials.cell.levels,
        "baseline": trials.cell.baseline,
        "identity": trials.cell.identity,
        "done": len(trials.done),
        "failed": [{"block": block, "reason": reason} for block, reason in trials.failed.items()],
        "interrupted": [{"block": block, "reason": reason} for block, reason in trials.interrupted.items()],
        "unprofiled": [{"block": block, "reason": reason} for block, reason in trials.unprofiled.items()],
        "missing": trials.missing,
        "not_applicable": trials.not_applicable,
        "metrics": {name: asdict(estimate) for name, estimate in estimates.items() if estimate is not None},
    }
