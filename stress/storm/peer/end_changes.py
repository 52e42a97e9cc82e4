# SPDX-License-Identifier: MIT
"""What an act changes on one end of a link, and why it cannot be had there."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

import msgspec

from stress.lab import firewall, sysctl
from stress.lab.own_route import OwnRoute
from stress.model.plan import Plan
from stress.model.world import CLIENT, SERVER, Drop, FilterRule, Firewall
from stress.storm.check.mine_rules import deaf_hosts
from stress.storm.peer.end_settings import settings_of
from stress.storm.peer.link_plan import drop_rules

HOSTS = {CLIENT: "this host", SERVER: "the serving host"}  # as the user at the client's sees them
Control = tuple[str, str]  # the addresses between which the control channel runs, the client's first
OTHER_ADDRESS = {CLIENT: "--source", SERVER: "--listen"}


class Permission(msgspec.Struct, frozen=True):
    """Whether an end of the link may be changed.

    Attributes:
        given: it may.
        remedy: what gives it, as the end of a sentence.
    """

    given: bool
    remedy: str = "let connstorm change and restore it (--set-host; for a suite --host)"


def change_faults(plan: Plan, host: str, permission: Permission, control: Control | None) -> Iterator[str]:
    """Yield why an act cannot be had on an end of the link; the arguments are as of ``ActChanges``."""
    if not permission.given:
        for name, value in differing_settings(plan, host).items():
            yield (
                f"{plan.scenario} needs {name}={value} on {HOSTS[host]}, where it is {sysctl.read(name) or 'empty'}: "
                f"set it there (sysctl -w {name}='{value}'), or {permission.remedy}."
            )
        if parts := list(describe_parts(plan, host)):
            yield f"{plan.scenario} needs {' and '.join(parts)} on {HOSTS[host]}: {permission.remedy}."
    elif not firewall.has_nft() and (rules_of(plan, host) or host in (*deaf_hosts(plan), *plan.world.silent)):
        yield f"{plan.scenario} needs nft on {HOSTS[host]}, which is not installed (Debian package nftables)."
    for cut in addresses_cut(plan, host):
        for end, address in zip((CLIENT, SERVER), control or (), strict=False):
            if address and ip_address(cut) == ip_address(address):
                yield (
                    f"{plan.scenario} makes {cut} unreachable, which the control channel uses too; give another "
                    f"address of {HOSTS[end]} ({OTHER_ADDRESS[end]})."
                )


def describe_parts(plan: Plan, host: str) -> Iterator[str]:
    """Yield what else than settings an act changes on an end of the link."""
    if rules_of(plan, host) or host in deaf_hosts(plan):
        yield "rules of nftables"
    if routes_of(plan, host):
        yield "a route of its own"
    if plan.world.silent:
        yield "no answer to the question for the server's hardware address"


def addresses_cut(plan: Plan, host: str) -> Iterator[str]:
    """Yield the addresses that cannot be reached because of what an act changes on an end."""
    yield from (route.address for route in routes_of(plan, host))
    if plan.world.silent:
        yield plan.target


def differing_settings(plan: Plan, host: str) -> dict[str, str]:
    """Return the settings that an act needs on an end and that have other values there now.

    Raises:
        NotApplicableError: this kernel does not have one.
        UsageError: one is no setting of the network.
    """
    return {
        name: value
        for name, value in settings_of(plan, host).items()
        if not sysctl.is_same_value(name, sysctl.read_existing(name), value)
    }


def routes_of(plan: Plan, host: str) -> list[OwnRoute]:
    """Return the routes of an act on an end, one for each address."""
    routes = [route for route in plan.world.routes if route.on == host]
    addresses = {CLIENT: list_sources(plan), SERVER: [plan.target]}
    return [
        OwnRoute(str(ip_network(address).network_address), route.kind)
        for route in routes
        for address in addresses[route.to]
    ]


def list_sources(plan: Plan) -> list[str]:
    """Return the addresses of the storm's clients."""
    return [*(str(ip_address(plan.source) + number) for number in range(plan.sources)), *plan.clients]


def rules_of(plan: Plan, host: str) -> list[FilterRule]:
    """Return the rules of an act on an end; where filters on sockets do, there are none."""
    drops = plan.drop if uses_rules(plan) else Drop.NOTHING
    rules = [rule for rule in (*plan.world.rules, *drop_rules(drops)) if rule.on == host]
    return [rule for rule in rules if not is_of_other_family(rule, plan.family)]


def is_of_other_family(rule: FilterRule, family: int) -> bool:
    """Return whether a rule looks at, or answers by, ICMP of another family than the storm's; it would match nothing.

    Next to addresses of the storm's family nft refuses it.
    """
    return " icmp type " in rule.action if family == 6 else rule.match.startswith("icmpv6 ")


def uses_rules(plan: Plan) -> bool:
    """Return whether rules, not filters on sockets, drop what the plan says; filters need no permission."""
    return plan.drop is Drop.INVALID or plan.firewall is Firewall.NFT
