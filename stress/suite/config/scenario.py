# SPDX-License-Identifier: MIT
"""The ``[[scenario]]`` tables of a suite file, with ``[defaults]`` and ``[matrix]``, which are for all of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from stress.model.acts import act_fault, choose_acts
from stress.model.arm import SuiteArm
from stress.model.errors import UsageError
from stress.model.link import LINK
from stress.model.plan import Plan
from stress.model.suite import ARM, Entry
from stress.storm.catalogue import SCENARIOS, find_scenario
from stress.storm.check.link_rules import link_fault
from stress.suite.config.arms import refuse_own_server, served_plan
from stress.suite.config.axes import Axis, Parameters, read_axes, read_parameters
from stress.suite.config.diagnostics import Diagnostics, accept_typed
from stress.suite.config.keys import DEFAULTS, SCENARIO
from stress.suite.config.toml_lines import Position
from stress.suite.links import plan_across_link


@dataclass(frozen=True)
class ScenarioTable:
    """A ``[[scenario]]`` of a suite file.

    Attributes:
        entry: of the suite.
        at: its position.
        given: the parameters that it and ``[defaults]`` set.
        axes: the axes that it and ``[matrix]`` vary.
    """

    entry: Entry
    at: Position
    given: Parameters
    axes: dict[str, Axis]


def given_labels(tables: list[dict[str, Any]]) -> list[str]:
    """Return the label of every ``[[scenario]]`` that has one, whatever other errors it has."""
    given = [table.get("label", table.get("name")) for table in tables]
    return [label for label in given if isinstance(label, str)]


@dataclass(frozen=True)
class Shared:
    """What is common to all scenarios of a suite.

    Attributes:
        seed: of the suite.
        given: the parameters of ``[defaults]``.
        axes: those of ``[matrix]``, and that of the arms.
        is_served: whether the server is that of an arm.
        profile: that of the suite.
    """

    seed: int
    given: Parameters
    axes: dict[str, Axis]
    is_served: bool
    profile: bool


def read_scenarios(
    head: dict[str, Any], seed: int, arms: Sequence[SuiteArm], diagnostics: Diagnostics, *, host: bool
) -> list[ScenarioTable]:
    """Return the scenarios of a suite.

    Args:
        head: the tables of the file, of the right types.
        seed: of the suite.
        arms: of the suite.
        diagnostics: errors are added to these.
        host: their plans are for the host's own network stack.
    """
    defaults = accept_typed(head.get("defaults", {}), DEFAULTS, ("defaults",), "[defaults]", diagnostics)
    given = read_parameters(defaults, ("defaults",), diagnostics)
    axes = read_axes(head.get("matrix", {}), ("matrix",), diagnostics)
    if arms:
        axes[ARM] = Axis([arm.name for arm in arms], (ARM,))
    shared = Shared(seed, given, axes, any(arm.serve is not None for arm in arms), head.get("profile", False))
    rows, taken = [], dict[str, Position]()
    for index, table in enumerate(head.get("scenario", [])):
        at: Position = ("scenario", index)
        refuse_taken(table, at, taken, diagnostics)
        row = read_scenario(table, at, shared, diagnostics, host=host)
        rows += [row] if row else []
    return rows


def refuse_taken(table: dict[str, Any], at: Position, taken: dict[str, Position], diagnostics: Diagnostics) -> None:
    """Add an error if a label is taken already, or take it."""
    for label in given_labels([table]):
        if label in taken:
            place = (*at, "label" if "label" in table else "name")
            before = diagnostics.line(taken[label])
            diagnostics.add(place, f"There is a scenario {label!r} already{before}; give this one a label of its own.")
        taken.setdefault(label, at)


def read_scenario(
    table: dict[str, Any], at: Position, shared: Shared, diagnostics: Diagnostics, *, host: bool
) -> ScenarioTable | None:
    """Return a scenario, or None when its errors leave it without a plan."""
    fields = accept_typed(table, SCENARIO, at, "a [[scenario]]", diagnostics)
    given = read_parameters(fields, at, diagnostics).over(shared.given)
    varied = shared.axes | read_axes(fields.get("matrix", {}), (*at, "matrix"), diagnostics)
    if "name" not in table:
        diagnostics.add(at, f"This [[scenario]] has no name; there are {', '.join(SCENARIOS)}.")
    if "name" not in fields:
        return None
    try:
        base = served_plan(fields["name"]) if shared.is_served else find_scenario(fields["name"]).plan
    except UsageError as error:
        diagnostics.add((*at, "name"), str(error))
        return None
    try:
        base = choose_acts(base, fields.get("acts", ()))
    except UsageError as error:
        diagnostics.add((*at, "acts"), str(error))
        return None
    refuse_varied(base, given, varied, diagnostics)
    if shared.is_served:
        axes = ((name, axis.at) for name, axis in varied.items() if name != ARM)
        refuse_own_server([*given.at.items(), *axes], diagnostics)
    if given.link and LINK not in varied and (fault := link_fault(base, given.link)):
        diagnostics.add(given.at[LINK], fault)
        return None
    entry = Entry(
        label=fields.get("label", fields["name"]),
        plan=scenario_plan(base, given, shared.seed, varied, host=host),
        axes={name: axis.values for name, axis in varied.items()},
        measures=fields.get("measures", True),
        profile=fields.get("profile", shared.profile),
    )
    return ScenarioTable(entry, at, given, varied)


def scenario_plan(base: Plan, given: Parameters, seed: int, varied: Iterable[str], *, host: bool) -> Plan:
    """Return a scenario's plan with parameters, which are of the right types, and with the suite's seed.

    A family, a link or a host that is varied is left to the values of the axis.
    """
    if "family" in given.fields and "family" not in varied:
        base = base.with_family(given.fields["family"])
    if given.link and LINK not in varied:
        base = plan_across_link(base, given.link)
    if host or (given.fields.get("host") and "host" not in varied):
        base = base.on_host()
    fields = given.fields | {"host": True} if host else given.fields
    return msgspec.structs.replace(base, **fields, sysctls=base.sysctls | given.sysctls, seed=seed)


def refuse_varied(base: Plan, given: Parameters, axes: dict[str, Axis], diagnostics: Diagnostics) -> None:
    """Add an error for each field or setting that is set or varied, but decided by the scenario's acts."""
    for name, at in (*given.at.items(), *((name, axis.at) for name, axis in axes.items())):
        if fault := act_fault(base, name):
            diagnostics.add(at, fault)
