# SPDX-License-Identifier: MIT
"""The profiles on both sides of a step of a history: which functions it came from, and where the stacks lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from stress.profile.difference import ActDifference


@dataclass(frozen=True)
class Side:
    """One side of a step.

    Attributes:
        stacks: the files of the stacks, one for each profiled run.
        folders: the runs and suites that they are of.
    """

    stacks: Sequence[Path]
    folders: Sequence[Path]


@dataclass(frozen=True)
class StepProfile:
    """The profiles on both sides of a step.

    Attributes:
        cell: name of the cell.
        testbed: the kind of machine.
        metrics: names of those that have the step at this point.
        at: the first run after it.
        time: when that began.
        before: the runs between it and the step before it, those nearest to it.
        after: those between it and the step after it.
        unit: what one value of the comparison stands for: "trial" or "session".
        acts: the storms, compared; none where they are not.
        reason: why they are not, in a phrase; "" where they are.
    """

    cell: str
    testbed: str
    metrics: Sequence[str]
    at: str
    time: datetime
    before: Side
    after: Side
    unit: str
    acts: Sequence[ActDifference]
    reason: str
