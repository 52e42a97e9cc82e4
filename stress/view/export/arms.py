# SPDX-License-Identifier: MIT
"""Arms: the runs that arguments of the command line stand for."""

from collections.abc import Sequence
from dataclasses import replace

from stress.analysis.comparison.projection import LABEL
from stress.model.observation import Observation
from stress.store.runs import read_arm


def runs_by_argument(arguments: Sequence[str], by: str | None) -> list[Observation]:
    """Return the runs of ``[label=]path[#cell]`` arguments, each run once.

    A label that nobody gave is the path. Runs that are given one by one are trials of one thing all the same, so it
    counts only where labels are asked for.

    Raises:
        UsageError: an argument stands for no run, or for one that is damaged.
    """
    runs: dict[str, Observation] = {}
    for argument in arguments:
        for run in read_arm(argument):
            named = by == LABEL or argument.startswith(f"{run.label}=")
            runs.setdefault(str(run.path.resolve()), run if named else replace(run, label=""))
    return list(runs.values())
