# SPDX-License-Identifier: MIT
"""A suite: cells, which are points of a matrix, and trials, which are runs of a cell. Imports no numpy."""

from enum import StrEnum

import msgspec

from stress.model.kernel import HOST
from stress.model.plan import Plan
from stress.model.record import Host

Level = str | int | float | bool | list[int]  # one value of an axis: of a sysctl or of a field of the plan
KERNEL = "kernel"  # an axis that is neither: what a trial runs on


def is_sysctl(axis: str) -> bool:
    """Return whether an axis is a setting of the kernel, not a field of the plan."""
    return "." in axis


class Design(StrEnum):
    """Which points of a matrix become cells."""

    FULL = "full"  # every combination of values
    ONE_AT_A_TIME = "one-at-a-time"  # the baseline, and each other value with all else as in the baseline
    PAIRWISE = "pairwise"  # few cells in which every pair of values of two axes occurs


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One ``[[scenario]]`` of a suite file.

    Attributes:
        label: its name in this suite; the scenario's unless the file says otherwise.
        plan: the scenario's plan with ``[defaults]`` and the entry's own parameters, before any axis.
        axes: the values of each axis that this entry varies, by dotted sysctl, field of the plan, or ``kernel``.
        measures: False lets its trials run beside each other: they count, and no latency of theirs is looked at.
    """

    label: str
    plan: Plan
    axes: dict[str, list[Level]]
    measures: bool = True


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """A ``[[gate]]``: what must hold of a metric, such as ``body.p99 <= 1.10x``; of one entry, or of all."""

    expr: str
    scenario: str | None = None


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """What a suite file says.

    Attributes:
        name: of the suite; the file's name unless the file says otherwise.
        description: for people.
        design: which points of each entry's matrix become cells.
        baseline: the value of an axis that the others are compared with; of an axis that is not named, its first.
        exclude: points that do not become cells: those with all the values of one of these.
        trials: of each cell.
        warmup: trials that are run before the first and thrown away.
        seed: of the order of cells in each block, and of each block's plans.
        settle_s: how long to wait, at most, for the machine to be quiet before a trial.
        limit_s: how long a trial may take before it is ended and recorded as failed.
        entries: the scenarios.
        gates: what must hold.
        rank: metrics by which the table puts the cells of an entry in order, the best first; none leaves them.
    """

    name: str
    description: str = ""
    design: Design = Design.ONE_AT_A_TIME
    baseline: dict[str, Level] = {}
    exclude: list[dict[str, Level]] = []
    trials: int = 5
    warmup: int = 1
    seed: int = 1
    settle_s: float = 10.0
    limit_s: float = 900.0
    entries: list[Entry]
    gates: list[Gate] = []
    rank: list[str] = []


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One point of an entry's matrix.

    Attributes:
        name: unique in its suite: the entry's label, and the values that differ from the baseline.
        scenario: the entry's label.
        levels: the value of every axis of the entry.
        baseline: whether all of these are the baseline's.
        plan: what a trial of it does, with the seed of the suite in place of the trial's own.
        identity: hash of the plan without its seed; two cells of one identity can be compared.
        measures: as the entry's.
        kernel: which to boot for it; the running one by default.
    """

    name: str
    scenario: str
    levels: dict[str, Level]
    baseline: bool
    plan: Plan
    identity: str
    measures: bool
    kernel: str = HOST


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a cell that is to be: its place in the order, its block, its seed, which its block shares."""

    number: int
    block: int
    cell: str
    seed: int


class Settle(msgspec.Struct, frozen=True, kw_only=True):
    """How quiet the machine was before a trial."""

    waited_s: float
    settled: bool  # False: it was not quiet in the time that the suite waits for it
    load: float  # over the last minute
    running: int  # tasks that ran or wanted to, this program's own not among them
    time_wait: int  # sockets in TIME_WAIT where the trial's storm will be


class Status(StrEnum):
    """How a trial ended."""

    DONE = "done"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"  # this kernel lacks a setting of the cell


class TrialRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a trial: ``trial.json`` beside its run folder, whose presence says that the trial is over."""

    trial: Trial
    status: Status
    reason: str | None  # None of a trial that is done
    run: str | None  # the name of its run folder
    host: str
    settle: Settle | None  # None: it did not come so far
    started_utc: str
    took_s: float


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True):
    """What a host says of itself before trials are sent to it.

    Attributes:
        program: name and version.
        engine: hash of the two compiled engines.
        host: the machine and its kernel.
        settings: dotted names of the network settings that a trial may change there.
        host_settings: those that only the whole host has, not a private namespace.
        protocol: number of the protocol that it speaks; 1 stands for programs that do not send it.
    """

    program: str
    engine: str
    host: Host
    settings: list[str]
    host_settings: list[str]
    protocol: int = 1
