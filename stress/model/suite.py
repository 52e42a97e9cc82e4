# SPDX-License-Identifier: MIT
"""A suite: its cells, which are points of a matrix, and its trials, which are runs of a cell. Imports no numpy."""

from enum import StrEnum
from typing import Annotated

import msgspec

from stress.model.arm import SuiteArm
from stress.model.host import Host
from stress.model.kernel import HOST
from stress.model.plan import Plan

Level = str | int | float | bool | list[int]  # one value of an axis: of a sysctl or of a field of the plan
KERNEL = "kernel"  # an axis that is neither: what a trial runs on
TRIALS_MAX = 1_000_000  # of all cells of a suite: a month at one in three seconds
EMULATED = ", emulated"  # appended to the label of an entry, in results
ARM = "arm"  # another: what a trial storms, or which connstorm runs it


# A name alone: what a damaged or hostile file names lies in the folder of that file.
FolderName = Annotated[str, msgspec.Meta(pattern=r"^[^./\x00-\x1f][^/\x00-\x1f]*$")]


def is_sysctl(axis: str) -> bool:
    """Return whether an axis is a setting of the kernel, not a field of the plan."""
    return "." in axis


class Design(StrEnum):
    """Which points of a matrix become cells."""

    FULL = "full"  # every combination of values
    ONE_AT_A_TIME = "one-at-a-time"  # the baseline, and every other value with all other axes as in the baseline
    PAIRWISE = "pairwise"  # a small set of cells in which every pair of values of two axes occurs


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One ``[[scenario]]`` of a suite file.

    Attributes:
        label: its name in this suite; by default the name of the scenario.
        plan: the plan of the scenario with ``[defaults]`` and the parameters of the entry, before any axis.
        axes: the values of each axis that this entry varies, by dotted sysctl, field of a plan, ``kernel`` or ``arm``.
        measures: False lets its trials run in parallel; then their counts are used, but no latency.
        profile: whether each of its trials is followed by a run of the same plan under a profiler, which is no trial.
    """

    label: str
    plan: Plan
    axes: dict[str, list[Level]]
    measures: bool = True
    profile: bool = False


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """A ``[[gate]]``: a condition on a metric, such as ``body.p99 <= 1.10x``, for one entry or for all."""

    expr: str
    scenario: str | None = None


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of a suite file.

    Attributes:
        name: name of the suite; by default the name of the file.
        description: for people.
        design: which points of each entry's matrix become cells.
        baseline: for an axis the value that the others are compared with; by default the first value.
        exclude: rules; a point that has all values of one rule does not become a cell.
        trials: number of trials of each cell. By default 14: so many blocks find a change of 10 % at a spread of 5 % in
            95 of 100 cases where five metrics gate, and so many trials exclude bursts of counts (docs/statistics.md).
        warmup: number of trials that run before the first and are discarded.
        seed: random seed of the order of cells in each block, and of the plans of each block.
        settle_s: maximum time to wait before a trial until the machine is idle.
        limit_s: time after which a trial is stopped and recorded as failed.
        entries: the scenarios.
        gates: the conditions.
        rank: metrics by which the table sorts the cells of an entry, the best first; empty keeps their order.
        arms: the values of the axis ``arm``, the base first; none for a suite without that axis.
        profile: ``profile`` of the scenarios that do not say.
    """

    name: str
    description: str = ""
    design: Design = Design.ONE_AT_A_TIME
    baseline: dict[str, Level] = {}
    exclude: list[dict[str, Level]] = []
    trials: int = 14
    warmup: int = 1
    seed: int = 1
    settle_s: float = 10.0
    limit_s: float = 900.0
    entries: list[Entry]
    gates: list[Gate] = []
    rank: list[str] = []
    arms: list[SuiteArm] = []
    profile: bool = False

    def find_arm(self, name: str) -> SuiteArm | None:
        """Return the arm of a name; None for the name ``""`` of no arm."""
        return next((arm for arm in self.arms if arm.name == name), None)


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One point of an entry's matrix.

    Attributes:
        name: unique in its suite: the entry's label, and the values that differ from the baseline.
        scenario: the entry's label.
        levels: the value of every axis of the entry.
        baseline: whether all of these are the values of the baseline.
        plan: the plan of its trials, with the seed of the suite in place of the seed of the trial.
        identity: hash of the plan without its seed, and of the arm; cells with the same identity can be compared.
        measures: as in the entry.
        profile: as in the entry.
        kernel: the kernel to boot for it; by default the running kernel.
        arm: the name of its arm; ``""`` in a suite without arms.
    """

    name: str
    scenario: str
    levels: dict[str, Level]
    baseline: bool
    plan: Plan
    identity: str
    measures: bool
    kernel: str = HOST
    arm: str = ""
    profile: bool = False


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A planned run of a cell: its place in the order, its block and its seed, which is that of the block."""

    number: int
    block: int
    cell: str
    seed: int


class Settle(msgspec.Struct, frozen=True, kw_only=True):
    """How idle the machine was before a trial."""

    waited_s: float
    settled: bool  # False: it did not become idle within ``settle_s`` of the suite
    load: float  # over the last minute
    running: int  # runnable tasks without those of this program
    time_wait: int  # sockets in TIME_WAIT in the network namespace of the trial


class Status(StrEnum):
    """How a trial ended."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # it was ended before its plan was: what it recorded until then is no result
    NOT_APPLICABLE = "not applicable"  # this kernel does not have a sysctl of the cell


class TrialRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a trial: ``trial.json`` next to its run folder. The file exists once the trial has ended.

    ``profile`` is the run folder, in a folder of its own, of the run of the same plan under a profiler; ``unprofiled``
    says why one that was wanted is missing.
    """

    trial: Trial
    status: Status
    reason: str | None  # None for a trial that is done
    run: FolderName | None  # of its run, which one that was interrupted may have too
    host: str
    settle: Settle | None  # None: the trial ended before
    started_utc: str
    took_s: float
    profile: FolderName | None = None
    unprofiled: str = ""

    def __post_init__(self) -> None:
        if self.status is Status.DONE and self.run is None:
            raise ValueError("a trial that is done has a run")


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True):
    """A host as it describes itself before it gets trials.

    Attributes:
        program: name and version.
        engine: hash of the two compiled engines.
        host: the machine and its kernel.
        settings: dotted names of the network sysctls that a trial may change there.
        host_settings: those that exist for the whole host only, not in a private namespace.
        protocol: number of the protocol that it speaks; 1 stands for programs that do not send it.
        refused: why no private namespace can be made there; unset where one can.
        run_schema: number of the schema of the run.json that it writes; unset where it does not say.
        commit: of the program, as of a run; unset where it is not known.
    """

    program: str
    engine: str
    host: Host
    settings: list[str]
    host_settings: list[str]
    protocol: int = 1
    refused: str | msgspec.UnsetType = msgspec.UNSET
    run_schema: int | msgspec.UnsetType = msgspec.UNSET
    commit: str | msgspec.UnsetType = msgspec.UNSET
