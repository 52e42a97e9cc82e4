# SPDX-License-Identifier: MIT
"""Overviews of stored runs and suites: what a list of them says of each, read from their JSON alone, without numpy."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from stress.model.json_text import decode_json
from stress.model.outcome import Cause
from stress.model.suite import Status
from stress.store.json_parts import ManifestPart, RunPart, TrialPart
from stress.store.stored_names import RUN_FILE, StoredEntry, list_stored
from stress.store.suite_folder import SUITE_FILE, TRIAL_FILE, TRIALS_FOLDER


class RunOverview(msgspec.Struct, frozen=True, kw_only=True):
    """What a list says of a run.

    Attributes:
        scenario: of its plan.
        attempts: how many.
        causes: of those that were slow or failed, the most frequent first.
        p50_ns: of the body; None where no attempt connected at once.
        rate_per_s: starts per second.
        interrupted: whether it was ended before its plan was.
        lost: whether the serving host was lost.
        unbalanced: claims of its books that do not hold.
        stolen_ms: CPU time that a hypervisor took.
        stalls: how often the client did not run.
    """

    scenario: str
    attempts: int
    causes: dict[str, int]
    p50_ns: int | None
    rate_per_s: float
    interrupted: bool
    lost: bool
    unbalanced: int
    stolen_ms: int
    stalls: int


class SuiteOverview(msgspec.Struct, frozen=True, kw_only=True):
    """What a list says of a suite.

    Attributes:
        suite: its name.
        cells: how many.
        trials: how many there are to be.
        done: how many of them are.
        failed: how many of them failed.
        interrupted: how many were ended before their plan was.
        not_applicable: how many could not be tried on this kernel.
        busy: before how many the machine did not become idle.
        causes: in how many trials attempts had a cause, the most frequent first.
        unreadable: trials that are done, and whose run.json cannot be read.
    """

    suite: str
    cells: int
    trials: int
    done: int
    failed: int
    interrupted: int
    not_applicable: int
    busy: int
    causes: dict[str, int]
    unreadable: int

    @property
    def missing(self) -> int:
        """How many trials have not ended."""
        return max(self.trials - self.done - self.failed - self.interrupted - self.not_applicable, 0)


class Damage(msgspec.Struct, frozen=True):
    """Why nothing can be said of a folder."""

    reason: str


Overview = RunOverview | SuiteOverview | Damage


def read_overview(entry: StoredEntry) -> Overview:
    """Return what a list says of a run or a suite; nothing is raised, so that one that is damaged hides no other."""
    try:
        return read_suite_overview(entry.path) if entry.is_suite else read_run_overview(entry.path)
    except OSError as error:
        return Damage(f"{SUITE_FILE if entry.is_suite else RUN_FILE} cannot be read ({error.strerror})")
    except msgspec.DecodeError as error:
        return Damage(f"{SUITE_FILE if entry.is_suite else RUN_FILE} is damaged, or of a newer connstorm: {error}")


def read_run_overview(path: Path) -> RunOverview:
    """Return what a list says of a run folder.

    Raises:
        OSError, msgspec.DecodeError: its run.json cannot be read.
    """
    run = decode_json((path / RUN_FILE).read_bytes(), RunPart)
    summary = run.summary
    return RunOverview(
        scenario=run.plan.scenario,
        attempts=summary.attempts,
        causes=by_count(summary.causes),
        p50_ns=summary.body.p50_ns,
        rate_per_s=summary.rate_per_s,
        interrupted=run.interrupted,
        lost=any(act.peer is not None and act.peer.lost is not None for act in run.acts),
        unbalanced=sum(not claim.balanced for claim in summary.books),
        stolen_ms=sum(act.stolen_ms for act in run.acts),
        stalls=sum(len(act.stalls) for act in run.acts),
    )


def read_suite_overview(path: Path) -> SuiteOverview:
    """Return what a list says of a suite folder.

    Raises:
        OSError, msgspec.DecodeError: its suite.json or the file of a trial cannot be read.
    """
    file = decode_json((path / SUITE_FILE).read_bytes(), ManifestPart)
    trials = [
        (place.parent, decode_json(place.read_bytes(), TrialPart))
        for place in sorted(path.glob(f"{TRIALS_FOLDER}/*/{TRIAL_FILE}"))
    ]
    hosts = max(len(file.attestations), 1)
    trials = [(folder, trial) for folder, trial in trials if trial.trial.block // hosts < file.suite.trials]
    states = [trial.status for _, trial in trials]
    unsupported = {(trial.trial.cell, trial.host) for _, trial in trials if trial.status is Status.NOT_APPLICABLE}
    causes: dict[str, int] = {}
    runs = [folder / trial.run for folder, trial in trials if trial.status is Status.DONE and trial.run]
    read = early = 0
    for run in runs:
        with suppress(OSError, msgspec.DecodeError):
            overview = read_run_overview(run)
            read += 1
            if overview.interrupted:  # which earlier versions recorded as done
                early += 1
                continue
            for cause in overview.causes:
                causes[cause] = causes.get(cause, 0) + 1
    return SuiteOverview(
        suite=file.suite.name,
        cells=len(file.cells),
        trials=file.suite.trials * len(file.cells) * hosts,
        done=states.count(Status.DONE) - early,
        failed=states.count(Status.FAILED),
        interrupted=states.count(Status.INTERRUPTED) + early,
        not_applicable=len(unsupported) * file.suite.trials,  # the first of such a cell stands for all
        busy=sum(trial.settle is not None and not trial.settle.settled for _, trial in trials),
        causes=by_count(causes),
        unreadable=len(runs) - read,
    )


def by_count(causes: dict[str, int]) -> dict[str, int]:
    """Return the causes that occur, without those of attempts with nothing to explain, the most frequent first."""
    occurring = {cause: count for cause, count in causes.items() if count and cause != Cause.NONE}
    return dict(sorted(occurring.items(), key=lambda item: -item[1]))


def folders_of_runs(results: Path) -> Iterator[tuple[Path, int]]:
    """Yield the other folders in the folder of all runs that hold runs or suites, as histories do, and how many."""
    own = {entry.path for entry in list_stored(results)}
    for path in sorted(results.iterdir()):
        if path not in own and path.is_dir() and not path.name.startswith("."):
            inside = list_stored(path)
            if inside and not {entry.path for entry in inside} & own:
                yield path, len(inside)
