# SPDX-License-Identifier: MIT
"""Sessions of arms: which of them two arms share, and the value of each.

Trials of one session share what the machine was like in it, and so do both arms of a suite: their difference is free of
it. Arms that share no session differ by it as well, whatever the number of trials. Their times and rates are compared
with one value per session, the median of its trials. Counts and causes do not depend on the speed of the machine.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median_low

from stress.analysis.metric import Metric
from stress.analysis.statistics.session import session_value
from stress.model.busy import is_mostly_busy
from stress.model.observation import Observation
from stress.model.text import plural
from stress.model.units import age_text

MUCH_CLOSER = 3.0

ONE_EACH = (
    "one session on either side: says nothing about times; run `connstorm calibrate SCENARIO --sessions N`, or gate "
    "with --base-history"
)


def runs_by_session(runs: Iterable[Observation]) -> dict[str, list[Observation]]:
    """Return runs by their sessions, both in the order in which they are given."""
    sessions: dict[str, list[Observation]] = {}
    for run in runs:
        sessions.setdefault(run.session, []).append(run)
    return sessions


def shared_runs(base: Sequence[Observation], new: Sequence[Observation]) -> tuple[list[Observation], list[Observation]]:
    """Return the runs of two arms that were made in sessions of both; none where they share no session."""
    shared = {run.session for run in base} & {run.session for run in new}
    return [run for run in base if run.session in shared], [run for run in new if run.session in shared]


def session_values(runs: Iterable[Observation], metric: Metric) -> dict[str, float]:
    """Return the value of each session in a time or a rate; sessions without a value above 0 have none."""
    values: dict[str, float] = {}
    for session, of_session in runs_by_session(runs).items():
        measured = [metric.value(run.summary) for run in of_session]
        usable = [float(value) for value in measured if value is not None and value > 0]
        if usable:
            values[session] = session_value(usable, "ratio")
    return values


def quiet_runs(runs: Sequence[Observation]) -> list[Observation]:
    """Return the runs of the sessions in which the machine was quiet; all runs where it was in none.

    A session is busy if more than a quarter of its runs are.
    """
    quiet = [
        of_session
        for of_session in runs_by_session(runs).values()
        if not is_mostly_busy(sum(run.is_busy for run in of_session), len(of_session))
    ]
    return [run for of_session in quiet for run in of_session] if quiet else list(runs)


def describe_busy(name: str, runs: Sequence[Observation]) -> list[str]:
    """Return a sentence if times of an arm are those of some of its sessions alone, for the others were busy."""
    sessions = runs_by_session(runs)
    busy = len(sessions) - len(runs_by_session(quiet_runs(runs)))
    if not busy:
        return []
    which = f"{busy} of {plural(len(sessions), 'session')} of {name}"
    return [f"{which} left out of the comparison of times: the machine was busy in more than a quarter of their trials"]


def describe_closeness(base: Sequence[Observation], new: Sequence[Observation]) -> list[str]:
    """Return a sentence if several new sessions lie much closer together than those that they are held against.

    What drifts from session to session is then alike in the new ones, and looks as if they agreed on a change.
    """
    distances = [session_distance(runs) for runs in (base, new)]
    if None in distances:
        return []
    of_base, of_new = (distance for distance in distances if distance is not None)
    if of_new * MUCH_CLOSER > of_base:
        return []
    texts = [age_text(distance.total_seconds() * 1000) for distance in (of_new, of_base)]
    text = (
        f"the new sessions began {texts[0]} apart, those of the base {texts[1]}: what drifts from one to the next "
        "looks like a change; run new ones as far apart, or both arms in one suite"
    )
    return [text]


def session_distance(runs: Iterable[Observation]) -> timedelta | None:
    """Return the median time from the start of a session to that of the next; None for a single one."""
    starts = sorted(
        min(datetime.fromisoformat(run.started_utc) for run in of_session)
        for of_session in runs_by_session(runs).values()
    )
    return median_low([later - earlier for earlier, later in pairwise(starts)]) if len(starts) > 1 else None
