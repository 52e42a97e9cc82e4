# SPDX-License-Identifier: MIT
"""Planned trials of stored arms that have no result: what a comparison says of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from stress.analysis.comparison.projection import parse_filter
from stress.analysis.gate.stand_in import StandIn, stand_ins
from stress.model.errors import NoRunsError, UsageError
from stress.model.observation import Observation
from stress.model.planned import PlannedTrial, TrialState
from stress.store.planned import read_planned, read_planned_arm
from stress.store.runs import read_arm, split_label
from stress.store.stored_names import list_stored
from stress.view.text.absence_wording import absence_text


def read_done_runs(argument: str, name: str = "") -> list[Observation]:
    """Return the runs of an arm that are done; arguments as those of ``read_arm``.

    Raises:
        NoRunsError: what was planned in it has no result, and why.
        UsageError: as ``read_arm``.
    """
    try:
        runs = [run for run in read_arm(argument, name) if not run.interrupted]
    except UsageError:
        runs, planned = [], read_planned_arm(argument)
        if not planned or any(trial.state is TrialState.DONE for trial in planned):
            raise
    if not runs:
        planned = read_planned_arm(argument)
        _, rest = split_label(argument)
        raise NoRunsError(f"{rest} has no run that is done: {absence_text(len(planned), planned)}.")
    return runs


def absent_lines(arms: Sequence[str], runs: Sequence[Observation], filters: Iterable[str]) -> list[str]:
    """Return a sentence for each cell of each arm that has fewer results than were planned.

    Args:
        arms: as the user names them.
        runs: of all arms, in this order; those of a base that is not among the arms come first.
        filters: what is looked at.
    """
    chosen = [parse_filter(text, runs) for text in filters]
    labels = list(dict.fromkeys(run.label for run in runs))[-len(arms) :]
    lines = []
    for argument, label in zip(arms, labels, strict=False):
        planned = read_planned_arm(argument)
        absent = stand_ins(planned, [run for run in runs if run.label == label], label)
        taken = [run for run in absent if all(condition.takes(run) for condition in chosen)]
        lines += [f"{label}: {line}" for line in cell_lines(planned, taken)]
    return lines


def absent_of_newest(folder: Path) -> list[str]:
    """Return a sentence for each cell of the newest suite in a folder that has fewer results than were planned."""
    newest = next(iter(list_stored(folder, only_suites=True)), None)
    if newest is None:
        return []
    planned = read_planned(newest.path)
    return [f"{newest.short_name}: {line}" for line in cell_lines(planned, stand_ins(planned, [], ""))]


def cell_lines(planned: Iterable[PlannedTrial], absent: Iterable[StandIn]) -> list[str]:
    """Return how many trials of each cell have a result, and why others have none."""
    cells: dict[str, list[PlannedTrial]] = {}
    for run in absent:
        cells.setdefault(run.cell, []).append(run.trial)
    counts: dict[str, int] = {}
    for trial in planned:
        counts[trial.cell] = counts.get(trial.cell, 0) + 1
    return [f"{cell}: {absence_text(counts[cell], trials)}" for cell, trials in cells.items()]
