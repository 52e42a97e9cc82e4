# SPDX-License-Identifier: MIT
"""Acts: which of a plan's storms are carried out. Imports no numpy."""

from collections.abc import Iterable

import msgspec

from stress.model.errors import UsageError
from stress.model.plan import Plan
from stress.model.text import did_you_mean


def choose_acts(plan: Plan, names: Iterable[str]) -> Plan:
    """Return a plan with some of its acts only, in their own order; without names, with all.

    Raises:
        UsageError: there is no such act, or it continues one that is left out.
    """
    wanted = list(names)
    if not wanted:
        return plan
    if unknown := next((name for name in wanted if name not in plan.acts), None):
        there = f"there are {', '.join(plan.acts)}" if plan.acts else "it is a single storm"
        raise UsageError(f"{plan.scenario} has no act {unknown!r}; {there}.{did_you_mean(unknown, plan.acts)}")
    chosen, complete = {}, True
    for name, changes in plan.acts.items():
        if name not in wanted:
            complete = False
            continue
        if not changes.get("fresh", True) and not complete:
            raise UsageError(f"The act {name!r} continues the one before it; choose that too.")
        chosen[name], complete = changes, True
    return msgspec.structs.replace(plan, acts=chosen)


def act_fault(plan: Plan, name: str) -> str | None:
    """Return a sentence when the acts decide a field or a setting, which then cannot be set or varied; or None."""
    if name == "sysctls" or not any(name in act or name in act.get("sysctls", {}) for act in plan.acts.values()):
        return None
    return (
        f"The scenario {plan.scenario} itself varies {name} from act to act ({', '.join(plan.acts)}); leave it "
        "out, or use another scenario."
    )
