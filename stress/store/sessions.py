# SPDX-License-Identifier: MIT
"""Which session each stored run belongs to.

In a suite folder, a session is what one host did in one boot without a pause of more than ten minutes. Runs outside of
suites have sessions by the same rule, whatever their folders.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from stress.model.errors import UsageError
from stress.model.observation import Observation
from stress.model.session import Stretch, number_sessions
from stress.model.suite import TrialRecord


def suite_sessions(suite: str, records: Iterable[TrialRecord], boots: Mapping[int, str], where: Path) -> dict[int, str]:
    """Return the session of each trial of a suite by the number of the trial.

    Args:
        suite: id of the suite.
        records: of all trials that have ended; those that failed took their time as well.
        boots: the boot of the host of a trial, where it is known.
        where: the suite folder, for messages.

    Raises:
        UsageError: the start time of a trial is invalid.
    """
    by_host: dict[str, list[TrialRecord]] = {}
    for record in records:
        by_host.setdefault(record.host, []).append(record)
    sessions: dict[int, str] = {}
    for host, of_host in by_host.items():
        stretches = [
            stretch(record.started_utc, record.took_s, boots.get(record.trial.number, ""), where) for record in of_host
        ]
        keys = session_keys(f"{suite} on {host}", stretches)
        sessions |= {record.trial.number: key for record, key in zip(of_host, keys, strict=True)}
    return sessions


def with_sessions(runs: Sequence[Observation]) -> list[Observation]:
    """Return runs in their order, those outside of suites with their sessions.

    Runs whose boot is known are of one machine if they are of one boot. The others are taken to be so if they are of
    one kind of machine and one kernel.

    Args:
        runs: all that are compared; a run that is not among them leaves a pause.

    Raises:
        UsageError: the start time of a run is invalid.
    """
    machines: dict[str, list[int]] = {}
    for place, run in enumerate(runs):
        if not run.group:
            machines.setdefault(run.boot or f"{run.host.testbed} {run.host.kernel}", []).append(place)
    joined = list(runs)
    for machine, places in machines.items():
        stretches = [
            stretch(runs[place].started_utc, runs[place].took_s, runs[place].boot, runs[place].path) for place in places
        ]
        for place, key in zip(places, session_keys(machine, stretches), strict=True):
            joined[place] = replace(runs[place], session=key)
    return joined


def session_keys(where: str, stretches: Sequence[Stretch]) -> list[str]:
    """Return a name for the session of each stretch of a machine."""
    numbers = number_sessions(stretches)
    boots: dict[int, str] = {}
    for number, at in zip(numbers, stretches, strict=True):
        boots[number] = boots.get(number) or at.boot
    return [f"{where}, boot {boots[number] or 'unknown'}, session {number}" for number in numbers]


def stretch(started_utc: str, took_s: float, boot: str, where: Path) -> Stretch:
    """Return the time that a run or a trial took.

    Raises:
        UsageError: its start time is invalid.
    """
    try:
        started = datetime.fromisoformat(started_utc)
    except ValueError as error:
        raise UsageError(
            f"{where} has something that began at {started_utc!r}, which is no time; the file is damaged."
        ) from error
    start_s = (started if started.tzinfo else started.replace(tzinfo=UTC)).timestamp()
    return Stretch(start_s, start_s + max(took_s, 0.0), boot)
