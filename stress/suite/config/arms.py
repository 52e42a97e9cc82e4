# SPDX-License-Identifier: MIT
"""The ``[[arm]]`` tables of a suite file, and what a scenario may set when the server is that of an arm."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from stress.model.arm import ARM_NAME, SuiteArm
from stress.model.errors import UsageError
from stress.model.plan import EXTERNAL_SCENARIO, Plan
from stress.model.suite import KERNEL, is_sysctl
from stress.run.against import DEADLINE_S, DURATION_S, SCENARIO
from stress.suite.arms import arm_fault
from stress.suite.config.diagnostics import Diagnostics, accept_typed, show_value
from stress.suite.config.keys import ARM_TABLE
from stress.suite.config.toml_lines import Position

# Of a trial against the server of an arm: a second at a pace that a server of any language keeps up with.
ATTEMPTS, RATE_PER_S = 2000, 2000.0
# What a scenario may set and vary then; the rest is of a server or a world of connstorm's own.
SERVED_FIELDS = (
    *("attempts", "rate_per_s", "duration_s", "deadline_s", "warmup", "window", "workers", "pin"),
    *("ports", "close", "linger2_s", "evidence", "capture"),
)


def read_arms(tables: list[dict[str, Any]], diagnostics: Diagnostics) -> list[SuiteArm]:
    """Return the arms of a suite, the base first; errors are added for those that cannot be run."""
    arms: list[SuiteArm] = []
    for index, table in enumerate(tables):
        at: Position = ("arm", index)
        fields = accept_typed(table, ARM_TABLE, at, "an [[arm]]", diagnostics)
        faults = list(table_faults(table, fields, [arm.name for arm in arms]))
        for key, sentence in faults:
            diagnostics.add((*at, key) if key in table else at, sentence)
        if faults or len(fields) < len(table):
            continue
        arm = SuiteArm(**fields)
        if fault := place_fault(arm):
            diagnostics.add((*at, "ready"), fault)
        elif fault := arm_fault(arm):
            diagnostics.add((*at, "python" if arm.python else "serve"), fault)
        arms.append(arm)
    if len(tables) == 1:
        diagnostics.add(("arm", 0), "One [[arm]] alone is compared with nothing; give two or more, the base first.")
    if len({arm.serve is None for arm in arms}) > 1:
        diagnostics.add(("arm", 0), "Arms are all servers (serve) or all of another connstorm (python); choose one.")
    return arms


def table_faults(table: Mapping[str, Any], fields: Mapping[str, Any], taken: list[str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with an ``[[arm]]``: the key, and a sentence.

    Args:
        table: as it was read.
        fields: those of its values that are of the right type.
        taken: the names of the arms above.
    """
    name = fields.get("name")
    if "name" not in table:
        yield "name", "This [[arm]] has no name, such as 'old' or 'new'."
    elif name is not None and not ARM_NAME.fullmatch(name):
        yield "name", f"{show_value(name)} is no name of an [[arm]]: use at most 40 letters, digits, and . _ + -."
    elif name in taken:
        yield "name", f"There is an [[arm]] {show_value(name)} already; give this one a name of its own."
    if ("serve" in table) == ("python" in table):
        yield (
            "serve",
            "An [[arm]] has either serve, the command that starts a server, or python, another connstorm's.",
        )
    elif "serve" in table and "ready" not in table:
        yield "serve", "This [[arm]] has serve and no ready: where the server listens, such as ready = 'tcp:8080'."
    for key in ("ready", "ready_s"):
        if "python" in table and key in table:
            yield key, f"{key} is of a server (serve), not of another connstorm (python); leave it out."


def place_fault(arm: SuiteArm) -> str | None:
    """Return a sentence when the place where a server should listen is none, or None."""
    try:
        if arm.serve is not None:
            _ = arm.place
    except UsageError as error:
        return str(error)
    return None


def served_plan(name: str) -> Plan:
    """Return the plan of a storm against the server of an arm, whose address and port are those of the arm.

    Args:
        name: of the scenario in the suite file.

    Raises:
        UsageError: it is about a server or a world of connstorm's own.
    """
    if name != SCENARIO:
        raise UsageError(
            f"{name} is about a server or a world of connstorm's own; the servers of [[arm]] are stormed by {SCENARIO}."
        )
    base = Plan(scenario=EXTERNAL_SCENARIO).on_host()
    return msgspec.structs.replace(
        base, attempts=ATTEMPTS, rate_per_s=RATE_PER_S, duration_s=DURATION_S, deadline_s=DEADLINE_S
    )


def refuse_own_server(places: Iterable[tuple[str, Position]], diagnostics: Diagnostics) -> None:
    """Add an error for each parameter or axis that needs a server or a world of connstorm's own.

    Args:
        places: names of fields, settings and axes, each with its position.
        diagnostics: errors are added to these.
    """
    for name, at in places:
        if name == KERNEL:
            diagnostics.add(at, "The trials of an [[arm]] run on the running kernel; leave out kernel.")
        elif name not in SERVED_FIELDS and not is_sysctl(name):
            diagnostics.add(
                at,
                f"{name} is of a server or a world of connstorm's own, not of the server of an [[arm]]; leave it out. "
                f"There are {', '.join(SERVED_FIELDS)}, and settings.",
            )
