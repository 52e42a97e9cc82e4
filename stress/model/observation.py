# SPDX-License-Identifier: MIT
"""Observation: a stored run without its arrays, one trial in comparisons and histories. Imports no numpy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from stress.model.host import Host
from stress.model.plan import Plan
from stress.model.summary import Summary


@dataclass(frozen=True)
class Observation:
    """One stored run.

    Attributes:
        path: the run folder.
        label: label of its arm: the one that the user gave, or else the path.
        scenario: name in the catalogue; in a suite the label of the cell's entry.
        cell: the scenario and the fields that its plan changes; in a suite the cell's name.
        started_utc: when it began (ISO 8601).
        program: name and version of the program that made it.
        host: the machine.
        plan: the plan.
        settings: the recorded sysctls during its first storm.
        summary: the summary of the run.
        evidence: where the proof of its causes comes from, which may be less than its plan asks for.
        group: id of the suite that it is a trial of; "" for none. Blocks are comparable within a group only.
        block: number of its block in that suite; None for none.
        baseline: whether it is a trial of the baseline of its suite's entry.
        measures: whether it ran alone and without a profiler, so that its times are valid.
        boot: the boot of the machine that stormed; "" where it is not stored, or is that of a guest of the machine.
        took_s: how long it took.
        session: its session; runs with equal sessions were made one soon after the other (``session``). "" where it was
            not asked for.
        read_counters: reads ``counters``, which few questions need.
        busy: why the machine was not quiet, as ``busy_reasons`` has it; empty where it was, or nothing is known.
        arm: the name of its arm in a suite with arms; "" for none.
        interrupted: whether it was ended before its plan was; a trial of a suite is then no observation.
        profile: the run folder that has its profile: its own where it was profiled, in a suite that of a further run of
            its plan; None without one.
        unprofiled: why a trial whose profile was wanted has none, in a sentence; "" for no reason.
        commit: of the program that made it, with ``+`` where its files were not those of the commit; "" if not known.
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
    evidence: str
    group: str = ""
    block: int | None = None
    baseline: bool = False
    measures: bool = True
    boot: str = ""
    took_s: float = 0.0
    session: str = ""
    busy: tuple[str, ...] = ()
    read_counters: Callable[[], Mapping[str, int]] = field(default=dict, compare=False, repr=False)
    arm: str = ""
    interrupted: bool = False
    profile: Path | None = None
    unprofiled: str = ""
    commit: str = ""

    @property
    def timed(self) -> bool:
        """Whether its times can be compared with those of other runs."""
        return self.measures and not self.host.emulated

    @cached_property
    def counters(self) -> Mapping[str, int]:
        """By how much each of the kernel's counters rose, that every act of the run recorded."""
        return self.read_counters()

    @property
    def is_busy(self) -> bool:
        """Whether its machine was not quiet, so that its times say little of a quiet one."""
        return bool(self.busy)
