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
from stress.store.run_folder import RUN
from stress.store.run_schema import SCHEMA, decode
from stress.store.suite_folder import SUITE
from stress.storm.catalogue import SCENARIOS

NO_PART_OF_A_NAME = ("scenario", "seed", "sysctls", "acts", "source", "target")


class ActGlance(msgspec.Struct, frozen=True):
    """What is needed of an act."""

    sysctls: dict[str, str]


class Glance(msgspec.Struct, frozen=True):
    """What is needed of run.json: decoded alone it takes a fifth of the time of all."""

    schema: int
    id: str
    program: str
    started_utc: str
    plan: Plan
    host: Host
    acts: list[ActGlance]
    summary: Summary


def arm(argument: str, name: str = "") -> list[Observation]:
    """Return the runs that an argument of the command line stands for, in the order of their times.

    Args:
        argument: ``[label=]path[#cell]``.
        name: a label for an argument that has none; by default the argument itself.

    Raises:
        UsageError: there is no run, or one is damaged.
    """
    label, rest = labelled(argument)
    where, sharp, cell = rest.partition("#")
    path = Path(where)
    found = list(observations(path, label or name or rest))
    if sharp:
        known = sorted({each.cell for each in found})
        found = [each for each in found if each.cell == cell]
        if not found:
            raise UsageError(f"{path} has no cell {cell!r}; it has {', '.join(map(repr, known)) or 'none'}.")
    if not found:
        raise NoRunsError(f"{path} holds no run that is done.")
    return sorted(found, key=lambda each: (each.started_utc, str(each.path)))


def labelled(argument: str) -> tuple[str, str]:
    """Return the label of an argument, ``""`` if it has none, and the rest of it."""
    label, equals, rest = argument.partition("=")
    return (label, rest) if equals and not {"/", "#"} & set(label) else ("", argument)


def observations(path: Path, label: str) -> Iterator[Observation]:
    """Yield the runs of a run folder, a suite folder, or a folder of these.

    Raises:
        UsageError: it is none of them, or a run is damaged.
    """
    if (path / RUN).is_file():
        yield one(path, label)
    elif (path / SUITE).is_file():
        yield from of_suite(path, label)
    elif path.is_dir():
        for inside in sorted(path.iterdir()):
            if (inside / RUN).is_file() or (inside / SUITE).is_file():
                yield from observations(inside, label)
    else:
        raise NoRunsError(f"{path} is no folder; give a run's, a suite's, or one that holds some.")


def of_suite(path: Path, label: str) -> Iterator[Observation]:
    """Yield the trials of a suite that are done."""
    suite = suite_folder.read(path)
    cells = {cell.name: cell for cell in suite.cells}
    for record in suite_folder.records(path).values():
        if record.status is Status.DONE:
            run = suite_folder.run_folder(path, record)
            cell = cells[record.trial.cell]
            yield one(
                run,
                label,
                scenario=cell.scenario,
                cell=suite.called(cell.name, record.host),
                measures=cell.measures,
                group=suite.id,
                block=record.trial.block,
            )


def one(path: Path, label: str, **of_the_suite: Any) -> Observation:
    """Return one run.

    Raises:
        UsageError: it cannot be read.
    """
    glance = read(path)
    known = {"scenario": glance.plan.scenario, "cell": cell_text(glance.plan)} | of_the_suite
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


def read(path: Path) -> Glance:
    """Read what is needed of a run.json, of any schema."""
    file = path / RUN
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} is not a run folder: {RUN} cannot be read ({error.strerror}).") from error
    try:
        glance = msgspec.json.decode(data, type=Glance)
        if glance.schema == SCHEMA:
            return glance
    except msgspec.DecodeError:
        pass  # an older schema, or damaged: what follows knows, and says so
    whole, _ = decode(data, str(file))
    return msgspec.convert(msgspec.to_builtins(whole), Glance)


def cell_text(plan: Plan) -> str:
    """Return a name for what a plan does: its scenario, and what differs from that of the catalogue."""
    known = SCENARIOS.get(plan.scenario)
    base = known.plan if known is not None else Plan(scenario=plan.scenario)
    differs = {
        field: getattr(plan, field)
        for field in Plan.__struct_fields__
        if field not in NO_PART_OF_A_NAME and getattr(plan, field) != getattr(base, field)
    }
    differs |= {
        name.removeprefix("net.ipv4."): value for name, value in plan.sysctls.items() if base.sysctls.get(name) != value
    }
    return " ".join([plan.scenario, *(f"{name}={text(value)}" for name, value in differs.items())])


def text(value: Any) -> str:
    """Return a field of a plan as a user would write it."""
    return "-".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
