# SPDX-License-Identifier: MIT
"""Read stored runs without their arrays from a run folder, a suite folder, or a folder of such folders.

On the command line ``label=path`` gives an arm a label, and ``path#cell`` selects one cell of a suite.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from stress.model.errors import NoRunsError, UsageError
from stress.model.kernel import HOST
from stress.model.observation import Observation
from stress.model.plan import Plan
from stress.model.suite import Settle, Status
from stress.store import suite_folder
from stress.store.counters import read_counters
from stress.store.run_folder import RUN_FILE
from stress.store.run_header import RunHeader, read_header
from stress.store.sessions import suite_sessions
from stress.store.suite_folder import SUITE_FILE
from stress.store.trial_profile import profile_fields
from stress.storm.catalogue import SCENARIOS

NOT_IN_CELL_NAMES = ("scenario", "seed", "sysctls", "acts", "source", "target")


def read_arm(argument: str, name: str = "") -> list[Observation]:
    """Return the runs of a command line argument, in the order of their start times.

    Args:
        argument: ``[label=]path[#cell]``.
        name: the label of an argument without one; by default the argument itself.

    Raises:
        UsageError: there is no run, or one is damaged.
    """
    label, path, cell = split_arm(argument)
    runs = list(read_observations(path, label or name or split_label(argument)[1]))
    if cell is not None:
        cells = sorted({run.cell for run in runs})
        runs = [run for run in runs if run.cell == cell]
        if not runs:
            raise UsageError(f"{path} has no cell {cell!r}; it has {', '.join(map(repr, cells)) or 'none'}.")
    if not runs:
        raise NoRunsError(f"{path} contains no run that is done.")
    return sorted(runs, key=lambda run: (run.started_utc, str(run.path)))


def split_label(argument: str) -> tuple[str, str]:
    """Return the label of an argument, ``""`` if it has none, and the rest."""
    label, equals, rest = argument.partition("=")
    return (label, rest) if equals and not {"/", "#"} & set(label) else ("", argument)


def split_arm(argument: str) -> tuple[str, Path, str | None]:
    """Return the label of an argument, ``""`` if it has none, its path, and the cell that it names, if it does."""
    label, rest = split_label(argument)
    path, sharp, cell = (rest, "", "") if Path(rest).exists() else rest.partition("#")
    return label, Path(path), cell if sharp else None


def read_observations(path: Path, label: str) -> Iterator[Observation]:
    """Yield the runs of a run folder, a suite folder, or a folder of such folders.

    Raises:
        UsageError: it is none of them, or a run is damaged.
    """
    if (path / RUN_FILE).is_file():
        yield read_observation(path, label)
    elif (path / SUITE_FILE).is_file():
        yield from read_suite(path, label)
    elif path.is_dir():
        for inside in sorted(path.iterdir()):
            if (inside / RUN_FILE).is_file() or (inside / SUITE_FILE).is_file():
                yield from read_observations(inside, label)
    else:
        raise NoRunsError(f"{path} is not a folder; give a run folder, a suite folder, or a folder of such folders.")


def read_suite(path: Path, label: str) -> Iterator[Observation]:
    """Yield the trials of a suite that are done."""
    suite = suite_folder.read(path)
    cells = {cell.name: cell for cell in suite.cells}
    records = suite_folder.read_records(path)
    runs = {}
    for record in records.values():
        if record.status is Status.DONE:
            cell = cells.get(record.trial.cell)
            if cell is None:
                where = suite_folder.trial_folder(path, record.trial)
                raise UsageError(f"{where} is of a cell that its suite has not, {record.trial.cell!r}: it is damaged.")
            of_guest = {} if cell.kernel == HOST else {"boot": ""}  # each trial boots it: no boot of the machine
            runs[record.trial.number] = read_observation(
                suite_folder.trial_run_folder(path, record),
                label,
                scenario=cell.scenario,
                cell=suite.name_on_host(cell.name, record.host),
                measures=cell.measures,
                arm=cell.arm,
                baseline=cell.baseline,
                group=suite.id,
                block=record.trial.block,
                took_s=record.took_s,
                settle=record.settle,
                **profile_fields(path, cell, record),
                **of_guest,
            )
    boots = {number: run.boot for number, run in runs.items()}
    sessions = suite_sessions(suite.id, records.values(), boots, path)
    for number, run in runs.items():
        yield replace(run, session=sessions[number])


def read_observation(path: Path, label: str, *, settle: Settle | None = None, **of_the_suite: Any) -> Observation:
    """Return the run of a run folder.

    Args:
        path: the folder.
        label: of its arm.
        settle: how idle the machine was before it, where that is known.
        of_the_suite: fields that replace what the run says about itself.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return observe(path, label, read_header(path), settle, of_the_suite)
    except OverflowError as error:
        raise UsageError(f"{path / RUN_FILE} has a number that no run has: {error}; it is damaged.") from error


def observe(
    path: Path, label: str, header: RunHeader, settle: Settle | None, of_the_suite: dict[str, Any]
) -> Observation:
    """Return the run of a header; other arguments are those of ``read_observation``."""
    names: dict[str, Any] = {
        "scenario": header.plan.scenario,
        "cell": cell_name(header.plan),
        "boot": header.boot_id or "",
        "took_s": header.took_s,
        "interrupted": header.interrupted,
        "measures": header.profiled is msgspec.UNSET,
        "profile": None if header.profiled is msgspec.UNSET else path,
    } | of_the_suite
    return Observation(
        path=path,
        label=label,
        started_utc=header.started_utc,
        program=header.program,
        commit=header.commit or "",
        host=header.host,
        plan=header.plan,
        settings=header.acts[0].sysctls if header.acts else {},
        summary=header.summary,
        evidence=evidence_text(header),
        busy=header.busy_reasons(settle),
        read_counters=partial(read_counters, path),
        **names,
    )


def evidence_text(header: RunHeader) -> str:
    """Return the evidence that the acts of a run had: ``'counts'``; ``'counts+kernel'`` where they differ."""
    return "+".join(sorted({act.evidence.value for act in header.acts})) or header.plan.evidence.value


def cell_name(plan: Plan) -> str:
    """Return a name for a plan: its scenario, and the fields that differ from those of the catalogue."""
    base = SCENARIOS[plan.scenario].plan if plan.scenario in SCENARIOS else Plan(scenario=plan.scenario)
    differs = {
        field: getattr(plan, field)
        for field in Plan.__struct_fields__
        if field not in NOT_IN_CELL_NAMES and getattr(plan, field) != getattr(base, field)
    }
    differs |= {
        name.removeprefix("net.ipv4."): value for name, value in plan.sysctls.items() if base.sysctls.get(name) != value
    }
    return " ".join([plan.scenario, *(f"{name}={field_text(value)}" for name, value in differs.items())])


def field_text(value: Any) -> str:
    """Return the value of a field of a plan as users write it."""
    return "-".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
