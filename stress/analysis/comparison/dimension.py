# SPDX-License-Identifier: MIT
"""Dimensions: what runs can differ in, by the names that users write: kernel, mines, tcp_tw_reuse."""

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec

from stress.model.errors import UsageError
from stress.model.observation import Observation
from stress.model.plan import Plan

ABSENT = "absent"  # a setting that a kernel lacks
SETTING = "net.ipv4."  # may be left out
NOT_OF_THE_PLAN = ("scenario", "seed", "sysctls")

WHERE: dict[str, Callable[[Observation], str]] = {
    "kernel": lambda run: run.host.kernel,
    "testbed": lambda run: run.host.testbed,
    "program": lambda run: run.program,
}
WHAT: dict[str, Callable[[Observation], str]] = {
    "label": lambda run: run.label,
    "scenario": lambda run: run.scenario,
    "cell": lambda run: run.cell,
}
FIELDS = tuple(field for field in Plan.__struct_fields__ if field not in NOT_OF_THE_PLAN)


def value(run: Observation, name: str) -> str:
    """Return what a run has in a dimension.

    Args:
        run: any.
        name: as ``known`` returns it.
    """
    if name in WHERE:
        return WHERE[name](run)
    if name in WHAT:
        return WHAT[name](run)
    if name in FIELDS:
        return text(msgspec.to_builtins(getattr(run.plan, name)))
    return run.settings.get(name, run.plan.sysctls.get(name, ABSENT))


def text(found: object) -> str:
    """Return a field of a plan as a user would write it."""
    if isinstance(found, list | tuple):
        return "-".join(map(str, found))
    return "none" if found is None else str(found).lower() if isinstance(found, bool) else str(found)


def known(name: str, runs: Iterable[Observation]) -> str:
    """Return the full name of a dimension of these runs.

    Args:
        name: ``label``, ``scenario``, ``cell``, ``kernel``, ``testbed``, ``program``, a field of the plan, or a
            setting, with or without ``net.ipv4.``.
        runs: that it is asked of.

    Raises:
        UsageError: they have no such dimension.
    """
    plain = [*WHAT, *WHERE, *FIELDS]
    if name in plain:
        return name
    settings = sorted({setting for run in runs for setting in (*run.settings, *run.plan.sysctls)})
    for full in (name, SETTING + name):
        if full in settings:
            return full
    close = difflib.get_close_matches(name, [*plain, *map(short, settings)], n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    raise UsageError(
        f"Runs have nothing called {name!r}: there are {', '.join((*WHAT, *WHERE))}, the fields of the plan and the "
        f"recorded settings{meant or '.'}"
    )


def short(name: str) -> str:
    """Return a dimension's name without what goes without saying."""
    return name.removeprefix(SETTING)


def values(runs: Iterable[Observation], name: str) -> list[str]:
    """Return the values that runs have in a dimension, numbers within them in the order of numbers."""
    return sorted({value(run, name) for run in runs}, key=natural)


def natural(found: str) -> list[tuple[int, int, str]]:
    """Return a key by which ``6.1`` comes before ``6.12``, and ``2`` before ``10``."""
    parts = re.split(r"(\d+)", found)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts if part]


def planned(runs: Iterable[Observation]) -> list[str]:
    """Return the dimensions that plans of these runs have: their fields, and the settings that any of them sets."""
    return [*FIELDS, *sorted({setting for run in runs for setting in run.plan.sysctls})]


def varying(runs: Sequence[Observation], names: Collection[str]) -> list[str]:
    """Return those of some dimensions in which runs differ."""
    return [name for name in names if len({value(run, name) for run in runs}) > 1]
