# SPDX-License-Identifier: MIT
"""Planned trials: what an arm was to have, and what became of each. Imports no numpy."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from stress.model.host import Host
from stress.model.plan import Plan


class TrialState(StrEnum):
    """What became of a planned trial."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    NOT_APPLICABLE = "not applicable"
    MISSING = "not run"
    VALUELESS = "without a value"  # it is done, and its run has no value of a metric


@dataclass(frozen=True)
class PlannedTrial:
    """A trial of a suite that was to be run, or a run outside of suites.

    Attributes:
        name: the name of its folder; "" for one that was not run.
        cell: the name of its cell, with several hosts that on its host.
        scenario: the label of the cell's entry, or the scenario.
        block: number of its block; None outside of suites.
        host: that runs it; "" outside of suites.
        state: what became of it.
        reason: of a state other than done, as a sentence or the part of one; "" where the state says all.
        run: its run folder; None without one.
        plan: the plan of its cell.
        machine: the host, or the kernel that it boots, as it was before the suite.
        group: id of the suite; "" for none.
        measures: as in the cell.
        baseline: as in the cell.
        arm: as in the cell.
    """

    name: str
    cell: str
    scenario: str
    block: int | None
    host: str
    state: TrialState
    reason: str
    run: Path | None
    plan: Plan
    machine: Host
    group: str = ""
    measures: bool = True
    baseline: bool = False
    arm: str = ""

    @property
    def key(self) -> tuple[str, str, int | None, str]:
        """What tells it from all other trials."""
        return self.group, self.cell, self.block, str(self.run or self.name)
