# SPDX-License-Identifier: MIT
"""Agreement: what a serving host permits a client to do, found out before anything of it is done."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

import msgspec

from stress.lab import local_addresses, source_filter
from stress.model.errors import UsageError
from stress.model.peer import ServeLimits
from stress.model.plan import Plan
from stress.model.world import SERVER
from stress.storm.check import plan_rules
from stress.storm.peer.allowed_changes import check_changes
from stress.storm.peer.calls import Ask
from stress.storm.peer.end_changes import Control, Permission, change_faults

ASK_TO_CHANGE = "let connstorm change and restore it (--set-host; for a suite --host)"
PERMIT_CHANGE = (
    "permit connstorm to change and restore it, both there (connstorm serve --set-host) and here (--set-host)"
)


@dataclass(frozen=True)
class Terms:
    """On what terms this host serves a client.

    Attributes:
        limits: of this host.
        control: the addresses between which the control channel runs, the client's first; None: unknown.
        is_login: whether the client has logged in here, so that it may know what any user of this host may.
    """

    limits: ServeLimits
    control: Control | None = None
    is_login: bool = True


@dataclass(frozen=True)
class Agreement:
    """A plan to which this host has said yes.

    Attributes:
        plan: the whole one.
        acts: the plan of each act by its name.
        sources: from which connections are accepted.
        limits: of this host, with these sources.
        permission: whether settings, rules and routes of this host may be changed.
        terms: on which this host serves the client.
    """

    plan: Plan
    acts: dict[str, Plan]
    sources: list[source_filter.Source]
    limits: ServeLimits
    permission: Permission
    terms: Terms


def agree(ask: Ask, terms: Terms) -> Agreement:
    """Return what is agreed to.

    Raises:
        UsageError: something of the plan is wrong, or beyond the limits of this host.
    """
    limits, control = terms.limits, terms.control
    plan_rules.refuse(plan_rules.plan_faults(ask.plan))
    acts = ask.plan.storms()
    if not all(act.world.is_across_link for act in acts.values()):
        raise UsageError("The plan is not one of a storm between two hosts; this host serves no other.")
    own = local_addresses.list_addresses()
    plan_rules.refuse(iter(dict.fromkeys(fault for act in acts.values() for fault in limit_faults(act, limits, own))))
    sources = source_filter.parse_sources(ask.sources)
    plan_rules.refuse(source_faults(sources, limits))
    permission = Permission(ask.change and limits.change, ASK_TO_CHANGE if limits.change else PERMIT_CHANGE)
    for name in acts:  # first: no name of a setting is looked up that a client may not have changed
        plan_rules.refuse(check_changes(ask.plan, name))
    faults = (fault for act in acts.values() for fault in change_faults(act, SERVER, permission, control))
    plan_rules.refuse(iter(dict.fromkeys(faults)))
    agreed = msgspec.structs.replace(limits, sources=[*map(str, sources)])
    return Agreement(ask.plan, acts, sources, agreed, permission, terms)


def limit_faults(plan: Plan, limits: ServeLimits, own: frozenset[str]) -> Iterator[str]:
    """Yield what of an act is beyond the limits.

    Args:
        plan: of the act.
        limits: of this host.
        own: the addresses of this host.
    """
    target = str(ip_address(plan.target))
    if target not in own:
        yield f"{plan.target} is no address of the serving host; name one that is, by --listen."
    elif limits.addresses and target not in {str(ip_address(address)) for address in limits.addresses}:
        yield f"The serving host lets {', '.join(limits.addresses)} be stormed, not {plan.target}."
    low, high = limits.ports
    if not low <= plan.server_ports[0] <= plan.server_ports[-1] <= high:
        first, last = plan.server_ports[0], plan.server_ports[-1]
        ports = str(first) if first == last else f"{first}-{last}"
        yield f"The serving host lets the ports {low}-{high} be stormed, not {ports}; choose others by --listen-port."
    rate = limits.max_rate_per_s
    if plan.rate_per_s is not None and plan.rate_per_s > rate:
        yield f"The serving host permits {rate:,g} connections a second, not {plan.rate_per_s:,g}; lower --rate."
    yield from time_faults(plan, limits)


def time_faults(plan: Plan, limits: ServeLimits) -> Iterator[str]:
    """Yield why an act takes longer than the limits permit, as far as its plan tells."""
    seconds = limits.max_seconds
    if plan.duration_s is not None and plan.duration_s > seconds:
        yield f"The serving host permits {seconds:,g} s, not {plan.duration_s:,g} s; lower --duration."
    elif plan.attempts is not None and plan.attempts > seconds * limits.max_rate_per_s:
        yield (
            f"{plan.attempts:,} attempts take longer than the {seconds:,g} s that the serving host permits, at its "
            f"{limits.max_rate_per_s:,g} a second; lower --attempts."
        )
    elif plan.attempts is not None and plan.rate_per_s is not None and plan.attempts > seconds * plan.rate_per_s:
        yield (
            f"{plan.attempts:,} attempts at {plan.rate_per_s:,g} a second take longer than the {seconds:,g} s that the "
            "serving host permits; lower --attempts."
        )


def source_faults(sources: list[source_filter.Source], limits: ServeLimits) -> Iterator[str]:
    """Yield why connections from some sources are not accepted."""
    if not sources:
        yield "The client names no address from which its connections come."
    permitted = source_filter.parse_sources(limits.sources)
    for source in sources:
        if permitted and not source_filter.is_within(source, permitted):
            others = ", ".join(limits.sources)
            yield f"The serving host accepts connections from {others}, not from {source_filter.source_text(source)}."
