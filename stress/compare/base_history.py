# SPDX-License-Identifier: MIT
"""Stored sessions as a base: those of a folder that can be compared with new runs, and those that only say how far
sessions differ.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from stress.analysis.comparison.comparability import side_differences
from stress.analysis.comparison.sessions import runs_by_session
from stress.model.calibration import Calibration
from stress.model.errors import NoRunsError, UsageError
from stress.model.observation import Observation
from stress.model.text import plural
from stress.store.runs import read_observations
from stress.store.sessions import with_sessions
from stress.store.stored_names import list_stored

HISTORY = "history"  # inside the folder of all runs
OTHERS_MAX = 60  # runs and suites of the history that are read for the spread of sessions: the newest
REASONS_SHOWN = 2


@dataclass(frozen=True)
class KnownSessions:
    """What says how far sessions of a machine differ.

    Attributes:
        calibration: of the machine, if it has one.
        others: runs of its history.
    """

    calibration: Calibration | None
    others: Sequence[Observation]


def known_sessions(
    results: Path, runs: Iterable[Observation], find: Callable[[Path, set[str]], Calibration | None]
) -> KnownSessions:
    """Return what is known of sessions on the machine of some runs; nothing where all runs are of one session.

    Args:
        results: the folder that has the calibrations and the history.
        runs: those that are compared.
        find: finds the calibration of kinds of machines.
    """
    runs = list(runs)
    calibration = find(results, {run.host.testbed for run in runs})
    if len({run.session for run in runs}) < 2:
        return KnownSessions(calibration, ())
    others = [run for stored in read_newest(results / HISTORY, OTHERS_MAX) for run in stored]
    return KnownSessions(calibration, with_sessions(others))


def read_newest(folder: Path, most: int) -> Iterator[list[Observation]]:
    """Yield the runs of each run and suite of a folder, the newest first; none of those that are damaged."""
    for entry in list_stored(folder)[:most]:
        with suppress(UsageError):
            yield list(read_observations(entry.path, ""))


def read_base_history(
    folder: Path, new: Sequence[Observation], *, last: int, allowed: Sequence[str]
) -> tuple[list[Observation], list[str]]:
    """Return the newest sessions of a folder that can be compared with new runs, and sentences about those left out.

    A session can be compared if it has a run of a cell of the new runs that differs from it in nothing that matters.
    Sessions of the new runs themselves are left out, also where the folder has a copy of them.

    Args:
        folder: a folder of runs and suites.
        new: the new runs, with their sessions.
        last: how many sessions are taken.
        allowed: kinds of differences that do not matter.

    Raises:
        NoRunsError: there is none.
    """
    entries = list_stored(folder)
    if not entries:
        raise NoRunsError(f"{folder} holds no run and no suite.")
    itself = {identity(run) for run in new}
    taken: list[Observation] = []
    refused: dict[str, int] = {}
    damaged: list[str] = []
    for entry in entries:
        try:
            runs = [run for run in read_observations(entry.path, "") if identity(run) not in itself]
        except UsageError as error:
            damaged.append(f"{entry.short_name} of {folder} left out: {error}")
            continue
        comparable, reasons = split_comparable(runs, new, allowed)
        taken += comparable
        if reasons and not comparable:
            for reason in reasons:
                refused[reason] = refused.get(reason, 0) + 1
        if len(runs_by_session(with_sessions(taken))) > last:  # one more: the oldest may be read in part
            break
    warnings = [*damaged, *refusal_sentences(folder, refused)]
    sessions = sorted(
        runs_by_session(with_sessions(taken)).values(),
        key=lambda runs: max(run.started_utc for run in runs),
        reverse=True,
    )
    if not sessions:
        raise NoRunsError(" ".join([f"{folder} has no session that can be compared.", *(f"{w}." for w in warnings)]))
    label = base_label(folder, new)
    base = [replace(run, label=label) for runs in reversed(sessions[:last]) for run in runs]
    return sorted(base, key=lambda run: (run.started_utc, str(run.path))), warnings


def identity(run: Observation) -> tuple[str, int | None, str, str]:
    """Return what tells a run from all others, wherever it is copied to."""
    return run.group, run.block, run.cell, run.started_utc


def split_comparable(
    runs: Sequence[Observation], new: Sequence[Observation], allowed: Sequence[str]
) -> tuple[list[Observation], list[str]]:
    """Return the runs that can be compared with new runs of the same cell, and why others of these cells cannot."""
    of_cell = {run.cell: run for run in reversed(new)}
    comparable, reasons = [], dict[str, None]()
    for run in runs:
        if run.cell not in of_cell:
            continue
        differences = [
            f"their {kind} ({text})"
            for kind, text in side_differences([run], [of_cell[run.cell]], ())
            if kind not in allowed
        ]
        if differences:
            reasons[differences[0]] = None
        else:
            comparable.append(run)
    return comparable, list(reasons)


def refusal_sentences(folder: Path, refused: dict[str, int]) -> list[str]:
    """Return a sentence for the differences for which most runs and suites of a folder are left out."""
    often = sorted(refused.items(), key=lambda item: -item[1])
    return [
        f"{plural(count, 'run or suite', 'runs and suites')} of {folder} left out, for they differ in {reason}"
        for reason, count in often[:REASONS_SHOWN]
    ]


def base_label(folder: Path, new: Sequence[Observation]) -> str:
    """Return the name of the base arm: that of the folder, unless the new arm has it."""
    name = folder.resolve().name or HISTORY
    return name if all(run.label != name for run in new) else f"{name} (base)"
