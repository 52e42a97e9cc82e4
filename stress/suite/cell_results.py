# SPDX-License-Identifier: MIT
"""What a suite has come to: the trials of each cell that are on disk."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from stress.analysis.metric import METRICS, find_metric
from stress.analysis.statistics.trials import CellTrials, estimate_cell
from stress.model.kernel import HOST
from stress.model.suite import Cell, Status
from stress.model.summary import Summary
from stress.store import run_folder, suite_folder
from stress.store.suite_folder import SuiteFile

EMULATED = ", emulated"  # after the label of an entry
Place = tuple[str, str]  # a host, and the name of a cell


def read_cell_trials(path: Path, file: SuiteFile) -> list[CellTrials]:
    """Return the trials of each cell, in the order of cells; with several hosts, each host's for themselves.

    Raises:
        UsageError: a trial's folder is damaged.
    """
    found = {(host, cell.name): cell_on_host(cell, host, file) for host in file.hosts for cell in file.cells}
    done: dict[Place, dict[int, Summary]] = {place: {} for place in found}
    failed: dict[Place, dict[int, str]] = {place: {} for place in found}
    lacking: dict[Place, str] = {}
    for record in suite_folder.records(path).values():
        place, block = (file.host_of(record.trial), record.trial.cell), record.trial.block
        if place not in found or file.round_of(record.trial) >= file.suite.trials:
            continue
        if record.status is Status.DONE:
            done[place][block] = run_folder.read_summary(suite_folder.run_folder(path, record))
        elif record.status is Status.FAILED:
            failed[place][block] = record.reason or ""
        else:
            lacking[place] = record.reason or ""
    return [CellTrials(cell, done[place], failed[place], lacking.get(place)) for place, cell in found.items()]


def cell_on_host(cell: Cell, host: str, file: SuiteFile) -> Cell:
    """Return a cell as that of one host: where there are several, the entry of another host is another entry.

    So is that of kernels that were emulated: their times are not compared with those of a real CPU.
    """
    scenario = file.called(cell.scenario, host)
    attestation = file.fingerprint(cell, host)
    if cell.kernel != HOST and attestation is not None and attestation.host.emulated:
        scenario += EMULATED
    return msgspec.structs.replace(cell, name=file.called(cell.name, host), scenario=scenario)


def rank_cells(found: list[CellTrials], names: list[str]) -> list[CellTrials]:
    """Return cells in the order of metrics, the best first; those that no trial speaks of last."""

    def place(trials: CellTrials) -> list[tuple[bool, float]]:
        keys = []
        for each in map(find_metric, names):
            middle = estimate_cell(trials, each)
            value = 0.0 if middle is None else middle.median
            keys.append((middle is None, -value if each.better == "higher" else value))
        return keys

    return sorted(found, key=place) if names else found


def count_missing(file: SuiteFile, found: list[CellTrials]) -> int:
    """Return how many trials have not ended."""
    ended = sum(
        file.suite.trials if trials.not_applicable else len(trials.done) + len(trials.failed) for trials in found
    )
    return file.suite.trials * len(found) - ended


def cell_object(trials: CellTrials) -> dict[str, Any]:
    """Return what ``--json`` says of a cell: how its trials ended, and each metric's median with its interval."""
    estimates = {name: estimate_cell(trials, each) for name, each in METRICS.items()}
    return {
        "cell": trials.cell.name,
        "scenario": trials.cell.scenario,
        "levels": trials.cell.levels,
        "baseline": trials.cell.baseline,
        "identity": trials.cell.identity,
        "done": len(trials.done),
        "failed": [{"block": block, "reason": reason} for block, reason in trials.failed.items()],
        "not_applicable": trials.not_applicable,
        "metrics": {name: asdict(found) for name, found in estimates.items() if found is not None},
    }
