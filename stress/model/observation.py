# SPDX-License-Identifier: MIT
"""Observation: a stored run as comparisons and histories see it, one trial, without its arrays. Imports no numpy."""

from dataclasses import dataclass
from pathlib import Path

from stress.model.plan import Plan
from stress.model.record import Host
from stress.model.summary import Summary


@dataclass(frozen=True)
class Observation:
    """One stored run.

    Attributes:
        path: its run folder.
        label: of the arm that it belongs to: what the user called it, or the path that was given.
        scenario: of the catalogue; in a suite the label of the cell's entry.
        cell: the scenario and what its plan changes; in a suite the cell's name.
        started_utc: when it began (ISO 8601).
        program: what made it.
        host: the machine.
        plan: what it did.
        settings: the kernel's settings during its first storm.
        summary: what it came down to.
        group: the suite that it is a trial of, by its id; "" for none. Blocks are comparable within a group only.
        block: its block there; None for none.
        measures: whether it was alone, so that times in it say something.
    """

    path: Path
    label: str
    scenario: str
    cell: str
    started_utc: str
    program: str
    host: Host
    plan: Plan
    settings: dict[str, str]
    summary: Summary
    group: str = ""
    block: int | None = None
    measures: bool = True

    @property
    def timed(self) -> bool:
        """Whether its times can be compared with those of other runs."""
        return self.measures and not self.host.emulated
