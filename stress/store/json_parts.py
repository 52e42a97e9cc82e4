# SPDX-License-Identifier: MIT
"""The parts of stored JSON files that an overview needs; all schemas have them, and the rest is skipped."""

import msgspec

from stress.model.suite import FolderName, Status

RUN_FILE = "run.json"


class BodyPart(msgspec.Struct, frozen=True):
    """The part of a body that an overview needs."""

    p50_ns: int | None


class ClaimPart(msgspec.Struct, frozen=True):
    """The part of a claim that an overview needs."""

    balanced: bool


class SummaryPart(msgspec.Struct, frozen=True):
    """The part of a summary that an overview needs; all schemas have it."""

    attempts: int
    rate_per_s: float
    causes: dict[str, int]
    body: BodyPart
    books: list[ClaimPart]


class PlanPart(msgspec.Struct, frozen=True):
    """The part of a plan that an overview needs."""

    scenario: str
    attempts: int | None = None
    acts: dict[str, msgspec.Raw] = {}


class PeerPart(msgspec.Struct, frozen=True):
    """The part of a serving host's report that an overview needs."""

    lost: str | None = None


class ActPart(msgspec.Struct, frozen=True):
    """The part of an act that an overview needs."""

    stolen_ms: int = 0
    stalls: list[msgspec.Raw] = []
    peer: PeerPart | None = None


class RunPart(msgspec.Struct, frozen=True):
    """The part of run.json that an overview needs."""

    plan: PlanPart
    interrupted: bool
    summary: SummaryPart
    acts: list[ActPart] = []  # schema 1 has none


class FailurePart(msgspec.Struct, frozen=True):
    """The part of how a run was profiled that says whether it was."""

    failure: str


class ProfiledPart(msgspec.Struct, frozen=True):
    """The part of run.json that says whether a run has a profile."""

    profiled: FailurePart | None = None


class CellPart(msgspec.Struct, frozen=True):
    """The part of a cell that an overview needs."""

    name: str


class SuitePart(msgspec.Struct, frozen=True):
    """The part of a suite file that an overview needs."""

    name: str
    trials: int


class ManifestPart(msgspec.Struct, frozen=True):
    """The part of suite.json that an overview needs."""

    suite: SuitePart
    cells: list[CellPart]
    attestations: dict[str, msgspec.Raw]


class SettlePart(msgspec.Struct, frozen=True):
    """The part of what is known of a trial's machine that an overview needs."""

    settled: bool


class PlacePart(msgspec.Struct, frozen=True):
    """The part of a planned trial that an overview needs."""

    cell: str
    block: int


class TrialPart(msgspec.Struct, frozen=True):
    """The part of trial.json that an overview needs."""

    trial: PlacePart
    host: str
    status: Status
    run: FolderName | None
    settle: SettlePart | None
