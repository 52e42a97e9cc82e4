# SPDX-License-Identifier: MIT
"""The plan of ``connstorm run SCENARIO --peer HOST``: made here, settled when the other host has been reached."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

import msgspec

from stress.lab.local_route import find_source
from stress.model.errors import UsageError
from stress.model.peer import OVER_RATE_S, ServeLimits
from stress.model.plan import Plan
from stress.model.text import plural
from stress.model.world import ADDRESSES
from stress.storm.check import plan_rules
from stress.storm.peer.link_plan import across_link
from stress.storm.peer.pace import PACE, pending_max

OPEN = ""  # an address that follows from the control channel
OPEN_BY_FAMILY = {4: "0.0.0.0", 6: "::"}  # noqa: S104  # the same, of a family that the user wants; nothing binds it
STORM_SHARE, DEADLINE_SHARE = 0.5, 0.3  # of the seconds that it permits; the rest is for what comes before and after


def across_to(base: Plan, *peers: str) -> Plan:
    """Return a scenario's plan for a storm against a host across a link; its addresses follow when that is reached.

    Each further host is a client.

    Raises:
        UsageError: the scenario has no sense or no place there.
    """
    return msgspec.structs.replace(across_link(base), peers=[*peers], source=OPEN, target=OPEN)


def set_addresses(plan: Plan, given: Mapping[str, Any]) -> Plan:
    """Return a plan with the addresses that a user gave, of the family that they are of.

    Args:
        plan: of ``across_to``.
        given: fields of a plan: of family, source and target those that the user gave.

    Raises:
        UsageError: they are none, or the plan has other faults.
    """
    addresses = [address for name in ("target", "source") if (address := given.get(name))]
    family = given.get("family") or (6 if any(":" in address for address in addresses) else 4)
    target = given.get("target") or (OPEN_BY_FAMILY[family] if given.get("family") or addresses else OPEN)
    plan = msgspec.structs.replace(plan, family=family, source=given.get("source") or OPEN, target=target)
    settled = with_addresses(plan, *ADDRESSES[family].values())
    # Any addresses will do to find out what several clients cannot have.
    further = [str(ip_address(settled.target) + number) for number in range(1, len(plan.peers))]
    plan_rules.refuse(plan_rules.plan_faults(with_clients(settled, further)))
    return plan


def with_addresses(plan: Plan, own: str, *others: str) -> Plan:
    """Return a plan whose open addresses are the first and the last of some."""
    is_open = plan.target in (OPEN, *OPEN_BY_FAMILY.values())
    return msgspec.structs.replace(plan, source=plan.source or own, target=others[-1] if is_open else plan.target)


def with_clients(plan: Plan, addresses: list[str]) -> Plan:
    """Return a plan whose attempts and rate are shared by this host and by clients at further addresses."""
    if not addresses:
        return plan
    return msgspec.structs.replace(plan, clients=addresses, workers=plan.workers + len(addresses))


def left_out_acts(base: Plan, plan: Plan) -> str:
    """Return a sentence on the acts of a scenario that do not run across a link; empty where all do."""
    missing = [name for name in base.acts if name not in plan.acts]
    if not missing:
        return ""
    return (
        f"Across a link {base.scenario} has no {', '.join(missing)}: {plural(len(missing), 'act')} for which there "
        "must be a router of connstorm's own."
    )


def settle_addresses(plan: Plan, address: str) -> Plan:
    """Return a plan whose open addresses are settled: the other host's, and this host's own towards it.

    Args:
        plan: of ``set_addresses``.
        address: of the other host, to which the control channel leads; empty where a proxy hides it.

    Raises:
        UsageError: there is none, it is of another family, this host's own, or cannot be reached.
    """
    target = plan.target
    if target in (OPEN, *OPEN_BY_FAMILY.values()):
        if not address:
            raise UsageError(
                f"The connection to {plan.peers[0]} leads through a proxy, which hides its address; name the one to "
                "storm with --listen."
            )
        version = ip_address(address).version
        if target != OPEN and version != plan.family:
            raise UsageError(
                f"The connection to {plan.peers[0]} leads to {address}, which is not IPv{plan.family}; name the "
                "address to storm with --listen."
            )
        target = address
        plan = msgspec.structs.replace(plan, family=version)
    own = find_source(target, plan.target_port)
    return msgspec.structs.replace(plan, source=plan.source or own, target=target)


def source_addresses(plan: Plan) -> list[str]:
    """Return the addresses from which a plan storms."""
    first = ip_address(plan.source)
    return [*(str(first + number) for number in range(plan.sources)), *plan.clients]


def keep_within(plan: Plan, limits: ServeLimits) -> tuple[Plan, list[str]]:
    """Return a plan within the limits of the other host where its own values are open, and sentences on what that set.

    Args:
        plan: to which the other host has agreed, so that its own values are within the limits.
        limits: of the other host.

    Raises:
        UsageError: its pauses and times, taken together, are longer than the other host permits.
    """
    acts = plan.storms()
    pauses_s = sum(act.rest_s + (act.duration_s or 0) + (act.deadline_s or 0) for act in acts.values())
    if pauses_s > limits.max_seconds:
        raise UsageError(
            f"{plan.scenario} takes {pauses_s:g} s or more, and {plan.peers[0]} permits {limits.max_seconds:g} s; "
            "shorten --rest, --duration or --deadline, or choose an act (--act)."
        )
    refuse_beyond_pace(plan, acts, limits)
    room_s = (limits.max_seconds - sum(act.rest_s for act in acts.values())) / len(acts)
    is_burst = may_come_at_once(acts, limits.max_rate_per_s)
    bounds = {name: open_bounds(act, limits.max_rate_per_s, room_s, is_burst=is_burst) for name, act in acts.items()}
    if not plan.acts:
        bounded = msgspec.structs.replace(plan, **bounds["storm"])
    else:
        changes = {name: {**own, **bounds[name]} for name, own in plan.acts.items()}
        bounded = msgspec.structs.replace(plan, acts=changes)
    return bounded, list(describe_bounds(plan, bounds, limits.max_rate_per_s))


def refuse_beyond_pace(plan: Plan, acts: Mapping[str, Plan], limits: ServeLimits) -> None:
    """Raise UsageError where an act's own rate is so near to what is permitted that a link's delays exceed it."""
    pace = PACE * limits.max_rate_per_s
    for act in acts.values():
        if act.rate_per_s is not None and act.rate_per_s > pace:
            raise UsageError(
                f"{plan.peers[0]} permits {limits.max_rate_per_s:,g} connections a second and cuts off who exceeds "
                f"that, as a link may by what it delays; give a --rate of {pace:,g} at most, nine tenths."
            )


def may_come_at_once(acts: Mapping[str, Plan], rate_per_s: float) -> bool:
    """Return whether all connections of some acts, mines too, are no more than a second's."""
    attempts = [act.attempts for act in acts.values()]
    mines = sum(act.mines for act in acts.values())
    return None not in attempts and mines + sum(filter(None, attempts)) <= rate_per_s * OVER_RATE_S


def describe_bounds(plan: Plan, bounds: Mapping[str, dict[str, Any]], rate_per_s: float) -> Iterator[str]:
    """Yield sentences on the bounds of a storm that are felt."""
    because = f"because {plan.peers[0]} permits {rate_per_s:,.0f} connections a second"
    paced = [name for name, fields in bounds.items() if "rate_per_s" in fields]
    if paced:
        where = "" if len(paced) == len(bounds) else f" in {', '.join(paced)}"
        yield f"The storm was paced at {PACE * rate_per_s:,.0f} attempts a second{where}, {because}."
    windows = [fields["window"] for fields in bounds.values() if "window" in fields]
    if windows:
        yield f"At most {plural(min(windows) * plan.workers, 'attempt')} were in flight at once, {because}."


def open_bounds(act: Plan, rate_per_s: float, room_s: float, *, is_burst: bool) -> dict[str, Any]:
    """Return the fields of an act that its own plan leaves open and limits bound, and a narrower window if need be.

    Args:
        act: its plan.
        rate_per_s: that is permitted.
        room_s: how long the act may take.
        is_burst: whether no pace is needed.
    """
    fields: dict[str, Any] = {}
    pace = act.rate_per_s
    if pace is None and not is_burst:
        fields["rate_per_s"] = pace = PACE * rate_per_s
    if pace is not None:
        window = max(1, pending_max(rate_per_s, pace) // act.workers)
        if window < act.window:
            fields["window"] = window
    if act.duration_s is None and (act.attempts is not None or act.sweeps is not None):
        fields["duration_s"] = STORM_SHARE * room_s  # with neither, a duration would be taken for the size of the storm
    if act.deadline_s is None:
        fields["deadline_s"] = DEADLINE_SHARE * room_s
    return fields
