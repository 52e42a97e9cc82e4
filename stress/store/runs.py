# SPDX-License-Identifier: MIT
"""Stored runs by the folder that holds them: one run, a suite, or a folder of runs; without their arrays.

``label=path`` names an arm; ``path#cell`` takes one cell of a suite.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from stress.model.errors import NoRunsError, UsageError
from stress.model.observation import Observation
from stress.model.plan import Plan
from stress.model.record import Host
from stress.model.suite import Status
from stress.model.summary import Summary
from stress.store import suite_folder
from stress.store.run_folder import RUN_FILE
from stress.store.run_schema import SCHEMA, decode_run
from stress.store.suite_folder import SUITE_FILE
from stress.storm.catalogue import SCENARIOS

NOT_IN_CELL_NAMES = ("scenario", "seed", "sysctls", "acts", "source", "target")


class ActHeader(msgspec.Struct, frozen=True):
    """What is needed of an act."""

    sysctls: dict[str, str]


class RunHeader(msgspec.Struct, frozen=True):
    """What is needed of run.json: decoded alone it takes a fifth of the time of all."""

    schema: int
    id: str
    program: str
    started_utc: str
    plan: Plan
    host: Host
    acts: list[ActHeader]
    summary: Summary


def read_arm(argument: str, name: str = "") -> list[Observation]:
    """Return the runs that an argument of the command line stands for, in the order of their times.

    Args:
        argument: ``[label=]path[#cell]``.
        name: a label for an argument that has none; by default the argument itself.

    Raises:
        UsageError: there is no run, or one is damaged.
    """
    label, rest = split_label(argument)
    where, sharp, cell = rest.partition("#")
    path = Path(where)
    found = list(read_observations(path, label or name or rest))
    if sharp:
        known = sorted({each.cell for each in found})
        found = [each for each in found if each.cell == cell]
        if not found:
            raise UsageError(f"{path} has no cell {cell!r}; it has {', '.join(map(repr, known)) or 'none'}.")
    if not found:
        raise NoRunsError(f"{path} holds no run that is done.")
    return sorted(found, key=lambda each: (each.started_utc, str(each.path)))


def split_label(argument: str) -> tuple[str, str]:
    """Return the label of an argument, ``""`` if it has none, and the rest of it."""
    label, equals, rest = argument.partition("=")
    return (label, rest) if equals and not {"/", "#"} & set(label) else ("", argument)


def read_observations(path: Path, label: str) -> Iterator[Observation]:
    """Yield the runs of a run folder, a suite folder, or a folder of these.

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
        raise NoRunsError(f"{path} is no folder; give a run's, a suite's, or one that holds some.")


def read_suite(path: Path, label: str) -> Iterator[Observation]:
    """Yield the trials of a suite that are done."""
    suite = suite_folder.read(path)
    cells = {cell.name: cell for cell in suite.cells}
    for record in suite_folder.read_records(path).values():
        if record.status is Status.DONE:
            run = suite_folder.trial_run_folder(path, record)
            cell = cells[record.trial.cell]
            yield read_observation(
                run,
                label,
                scenario=cell.scenario,
                cell=suite.name_on_host(cell.name, record.host),
                measures=cell.measures,
                group=suite.id,
                block=record.trial.block,
            )


def read_observation(path: Path, label: str, **of_the_suite: Any) -> Observation:
    """Return one run.

    Raises:
        UsageError: it cannot be read.
    """
    glance = read_header(path)
    known = {"scenario": glance.plan.scenario, "cell": cell_name(glance.plan)} | of_the_suite
    return Observation(
        path=path,
        label=label,
        started_utc=glance.started_utc,
        program=glance.program,
        host=glance.host,
        plan=glance.plan,
        settings=glance.acts[0].sysctls if glance.acts else {},
        summary=glance.summary,
        **known,
    )


def read_header(path: Path) -> RunHeader:
    """Read what is needed of a run.json, of any schema."""
    file = path / RUN_FILE
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} is not a run folder: {RUN_FILE} cannot be read ({error.strerror}).") from error
    try:
        glance = msgspec.json.decode(data, type=RunHeader)
        if glance.schema == SCHEMA:
            return glance
    except msgspec.DecodeError:
        pass  # an older schema, or damaged: what follows knows, and says so
    whole, _ = decode_run(data, str(file))
    return msgspec.convert(msgspec.to_builtins(whole), RunHeader)


def cell_name(plan: Plan) -> str:
    """Return a name for what a plan does: its scenario, and what differs from that of the catalogue."""
    known = SCENARIOS.get(plan.scenario)
    base = known.plan if known is not None else Plan(scenario=plan.scenario)
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
    """Return a field of a plan as a user would write it."""
    return "-".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
