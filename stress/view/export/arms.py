# SPDX-License-Identifier: MIT
"""Arms: the runs that arguments of the command line name."""

from collections.abc import Sequence
from dataclasses import replace

from stress.analysis.comparison.projection import LABEL
from stress.model.observation import Observation
from stress.store.runs import read_arm


def runs_by_argument(arguments: Sequence[str], by: str | None) -> list[Observation]:
    """Return the runs of ``[label=]path[#cell]`` arguments, each run once.

    An argument without a label has its path as label. Runs given one by one are still trials of one cell, so such a
    label is used only where ``by`` is the label.

    Raises:
        UsageError: an argument stands for no run, or for one that is damaged.
    """
    runs: dict[str, Observation] = {}
    for argument in arguments:
        for run in read_arm(argument):
            named = by == LABEL or argument.startswith(f"{run.label}=")
            runs.setdefault(str(run.path.resolve()), run if named else replace(run, label=""))
    return list(runs.values())
