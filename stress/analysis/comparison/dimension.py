# SPDX-License-Identifier: MIT
"""Dimensions in which runs can differ, by the names that users write: kernel, mines, tcp_tw_reuse."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec

from stress.model.errors import UsageError
from stress.model.link import LINK, link_text
from stress.model.observation import Observation
from stress.model.plan import Plan
from stress.model.suite import ARM
from stress.model.text import ambiguous_text, did_you_mean, matching_names

ABSENT = "absent"  # a setting that a kernel does not have
SYSCTL_PREFIX = "net.ipv4."  # users may leave it out
EVIDENCE = "evidence"
NOT_DIMENSIONS = ("scenario", "seed", "sysctls")

MACHINE_DIMENSIONS: dict[str, Callable[[Observation], str]] = {
    "kernel": lambda run: run.host.kernel,
    "testbed": lambda run: run.host.testbed,
    "program": lambda run: run.program,
    LINK: lambda run: link_text(run.plan),
    ARM: lambda run: run.arm or "none",
}
RUN_DIMENSIONS: dict[str, Callable[[Observation], str]] = {
    "label": lambda run: run.label,
    "scenario": lambda run: run.scenario,
    "cell": lambda run: run.cell,
}
DECIDED_BY_LINK = ("world", "source", "target", "host", "peers", "clients")  # fields of a plan
DECIDED_BY_ARM = ("target", "target_port", "source", "family")  # where its server listens
BOUNDED_BY_PEER = ("release", "duration_s", "deadline_s")  # which the limits of a host across a link set where open
PLAN_FIELDS = tuple(field for field in Plan.__struct_fields__ if field not in NOT_DIMENSIONS)


def dimension_value(run: Observation, name: str) -> str:
    """Return the value of a run in a dimension, as text.

    Args:
        run: the run.
        name: as ``known`` returns it.
    """
    if name in MACHINE_DIMENSIONS:
        return MACHINE_DIMENSIONS[name](run)
    if name in RUN_DIMENSIONS:
        return RUN_DIMENSIONS[name](run)
    if name == EVIDENCE:  # what a run had; without root it may be less than its plan asks for
        return run.evidence
    if name in PLAN_FIELDS:
        return field_text(msgspec.to_builtins(getattr(run.plan, name)))
    return run.settings.get(name, run.plan.sysctls.get(name, ABSENT))


def field_text(field: object) -> str:
    """Return a field of a plan in the notation of the command line."""
    if isinstance(field, list | tuple):
        return "-".join(map(str, field))
    return "none" if field is None else str(field).lower() if isinstance(field, bool) else str(field)


def resolve_dimension(name: str, runs: Iterable[Observation]) -> str:
    """Return the full name of a dimension of these runs.

    Args:
        name: ``label``, ``scenario``, ``cell``, ``kernel``, ``testbed``, ``program``, ``link``, ``arm``, a field of the
            plan, or a setting, by its full name or an end of it that no other has.
        runs: the runs.

    Raises:
        UsageError: the runs have no such dimension, or several settings with such a name.
    """
    plain = [*RUN_DIMENSIONS, *MACHINE_DIMENSIONS, *PLAN_FIELDS]
    if name in plain:
        return name
    settings = sorted({setting for run in runs for setting in (*run.settings, *run.plan.sysctls)})
    matches = matching_names(name, settings)
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(ambiguous_text(name, matches))
    suggestion = did_you_mean(name, [*plain, *map(short_name, settings)], clause=True)
    raise UsageError(
        f"Runs have nothing called {name!r}: there are {', '.join((*RUN_DIMENSIONS, *MACHINE_DIMENSIONS))}, the "
        f"fields of the plan and the recorded settings{suggestion or '.'}"
    )


def short_name(name: str) -> str:
    """Return a dimension's name without the prefix that users may leave out."""
    return name.removeprefix(SYSCTL_PREFIX)


def dimension_values(runs: Iterable[Observation], name: str) -> list[str]:
    """Return the values of runs in a dimension, in natural order."""
    return sorted({dimension_value(run, name) for run in runs}, key=natural_key)


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Return a sort key that puts ``6.1`` before ``6.12``, and ``2`` before ``10``."""
    parts = re.split(r"(\d+)", text)
    return [(1, int(part), "") if part.isascii() and part.isdecimal() else (0, 0, part) for part in parts if part]


def plan_dimensions(runs: Iterable[Observation]) -> list[str]:
    """Return the dimensions of the plans of runs: the fields, and the settings that any of the plans sets.

    Where the link between client and server differs, it stands for the fields that it decides; so does the arm.
    """
    runs = list(runs)
    fields = PLAN_FIELDS
    if len({link_text(run.plan) for run in runs}) > 1:
        decided = DECIDED_BY_LINK + (BOUNDED_BY_PEER if any(run.plan.peers for run in runs) else ())
        fields = (LINK, *(field for field in PLAN_FIELDS if field not in decided))
    if len({run.arm for run in runs}) > 1:
        fields = tuple(field for field in fields if field not in DECIDED_BY_ARM)
    return [*fields, *sorted({setting for run in runs for setting in run.plan.sysctls})]


def varying_dimensions(runs: Sequence[Observation], names: Collection[str]) -> list[str]:
    """Return those of the named dimensions in which runs differ."""
    return [name for name in names if len({dimension_value(run, name) for run in runs}) > 1]
