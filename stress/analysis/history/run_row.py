# SPDX-License-Identifier: MIT
"""A run row: what series need of a stored run."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from stress.analysis.comparison.counter_metric import value_of
from stress.analysis.metric import Metric
from stress.model.commit import short_commit
from stress.model.errors import UsageError
from stress.model.observation import Observation

COMMIT = "commit"  # among the facts


class RunRow(msgspec.Struct, frozen=True, gc=False):
    """What series need of a stored run.

    Attributes:
        cell: name of its cell.
        testbed: the kind of machine.
        identity: of its plan.
        group: id of the suite that it is a trial of; "" for none.
        time: when it began.
        path: the run folder.
        program: version of the program that made it.
        kernel: release of the kernel.
        attempts: how many there were.
        timed: whether its times and rates can be compared.
        busy: whether it was made while the machine was busy.
        profiled: whether it has a profile.
        facts: as of a point.
        values: of the metrics that are asked for, in their order; None where it has none.
    """

    cell: str
    testbed: str
    identity: str
    group: str
    time: datetime
    path: str
    program: str
    kernel: str
    attempts: int
    timed: bool
    busy: bool
    profiled: bool
    facts: dict[str, str]
    values: tuple[float | None, ...]


def run_row(run: Observation, metrics: Sequence[Metric]) -> RunRow:
    """Return what series need of a run.

    Raises:
        UsageError: its start time is invalid.
    """
    values = (value_of(metric, run) for metric in metrics)
    return RunRow(
        cell=run.cell,
        testbed=run.host.testbed,
        identity=run.plan.identity,
        group=run.group,
        time=parse_start_time(run),
        path=str(run.path),
        program=run.program,
        kernel=run.host.kernel,
        attempts=run.summary.attempts,
        timed=run.timed,
        busy=run.is_busy,
        profiled=run.profile is not None,
        facts=recorded_facts(run),
        values=tuple(None if value is None else float(value) for value in values),
    )


def parse_start_time(observation: Observation) -> datetime:
    """Return when a run began.

    Raises:
        UsageError: the start time of the run is invalid.
    """
    try:
        time = datetime.fromisoformat(observation.started_utc)
    except ValueError as error:
        raise UsageError(
            f"{observation.path} began at {observation.started_utc!r}, which is no time; its run.json is damaged."
        ) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def recorded_facts(run: Observation) -> dict[str, str]:
    """Return what may change from one run of a plan to the next; what was not recorded is not there."""
    host = run.host
    facts = {
        "kernel": host.kernel,
        "program": run.program,
        COMMIT: short_commit(run.commit),
        "clocksource": host.clocksource,
        "Python": host.python,
        "microcode": host.microcode,
    }
    return {name: value for name, value in (facts | run.settings).items() if value}
