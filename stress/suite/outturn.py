# SPDX-License-Identifier: MIT
"""What a suite has come to: the trials of each cell that are on disk."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from stress.analysis.metric import METRICS, metric
from stress.analysis.trials import CellTrials, estimate
from stress.model.suite import Status
from stress.model.summary import Summary
from stress.store import folder, suite_folder
from stress.store.suite_folder import SuiteFile


def outturn(path: Path, file: SuiteFile) -> list[CellTrials]:
    """Return the trials of each cell, in the order of cells.

    Raises:
        UsageError: a trial's folder is damaged.
    """
    done: dict[str, dict[int, Summary]] = {cell.name: {} for cell in file.cells}
    failed: dict[str, dict[int, str]] = {cell.name: {} for cell in file.cells}
    lacking: dict[str, str] = {}
    for record in suite_folder.records(path).values():
        cell, block = record.trial.cell, record.trial.block
        if cell not in done or block >= file.suite.trials:
            continue
        if record.status is Status.DONE:
            done[cell][block] = folder.read_summary(suite_folder.run_folder(path, record))
        elif record.status is Status.FAILED:
            failed[cell][block] = record.reason or ""
        else:
            lacking[cell] = record.reason or ""
    return [CellTrials(cell, done[cell.name], failed[cell.name], lacking.get(cell.name)) for cell in file.cells]


def ranked(found: list[CellTrials], names: list[str]) -> list[CellTrials]:
    """Return cells in the order of metrics, the best first; those that no trial speaks of last."""

    def place(trials: CellTrials) -> list[tuple[bool, float]]:
        keys = []
        for each in map(metric, names):
            middle = estimate(trials, each)
            value = 0.0 if middle is None else middle.median
            keys.append((middle is None, -value if each.better == "higher" else value))
        return keys

    return sorted(found, key=place) if names else found


def missing(file: SuiteFile, found: list[CellTrials]) -> int:
    """Return how many trials have not ended."""
    ended = sum(
        file.suite.trials if trials.not_applicable else len(trials.done) + len(trials.failed) for trials in found
    )
    return file.suite.trials * len(file.cells) - ended


def cell_object(trials: CellTrials) -> dict[str, Any]:
    """Return what ``--json`` says of a cell: how its trials ended, and each metric's median with its interval."""
    estimates = {name: estimate(trials, each) for name, each in METRICS.items()}
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
