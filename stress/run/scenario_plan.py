# SPDX-License-Identifier: MIT
"""The plan of a scenario with some fields changed, as the Python API makes it."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from stress.lab.sysctl_name import complete_sysctl
from stress.model.acts import act_fault
from stress.model.errors import UsageError
from stress.model.plan import Plan
from stress.run.peer.plan import across_to, set_addresses
from stress.storm.catalogue import find_scenario
from stress.storm.check import plan_rules


def make_scenario_plan(scenario: str, options: Mapping[str, Any]) -> Plan:
    """Return the plan of a scenario with some fields changed.

    Args:
        scenario: its name.
        options: fields of a plan.

    Raises:
        UsageError: there is no such scenario or field, a value is of the wrong type, or the plan is invalid.
    """
    base = find_scenario(scenario).plan
    fields = dict(options)
    if family := fields.pop("family", None):
        base = base.with_family(family)
    if fields.pop("host", False):
        base = base.on_host()
    plan = change_fields(base, fields)
    plan_rules.refuse(plan_rules.plan_faults(plan))
    return plan


def make_plan_across(scenario: str, peers: Sequence[str], options: Mapping[str, Any]) -> Plan:
    """Return the plan of a scenario against a host across a link; the arguments are as of ``across_to``.

    Raises:
        UsageError: as ``make_scenario_plan``, or the scenario has no place across a link.
    """
    fields = dict(options)
    addresses = {name: fields.pop(name, None) for name in ("family", "source", "target")}
    return set_addresses(change_fields(across_to(find_scenario(scenario).plan, *peers), fields), addresses)


def change_fields(base: Plan, fields: Mapping[str, Any]) -> Plan:
    """Return a plan with some fields changed; settings are added to its own.

    Raises:
        UsageError: there is no such field, its acts decide it, or a value is of the wrong type.
    """
    if fault := next(filter(None, (act_fault(base, name) for name in sorted(fields))), None):
        raise UsageError(fault)
    given = fields.get("sysctls", {})
    named = {complete_sysctl(name): value for name, value in given.items()} if isinstance(given, Mapping) else given
    try:
        return msgspec.convert(msgspec.structs.asdict(base) | dict(fields) | {"sysctls": base.sysctls | named}, Plan)
    except msgspec.ValidationError as error:
        raise UsageError(f"{error}.") from error
