# SPDX-License-Identifier: MIT
"""What an act changes on one end of a link: settings, routes, neighbours and rules; and that they are undone.

Without permission nothing is changed: the settings must be there already, and an act with rules or routes is refused.
"""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from types import TracebackType
from typing import Self

import msgspec

from stress.lab import firewall, rule_set, sysctl
from stress.lab.host_changes import HostChange, HostChanges
from stress.lab.own_route import OwnRoute
from stress.lab.owned_tables import OWNED
from stress.lab.time_wait import forget_time_wait
from stress.model.errors import UsageError
from stress.model.mine import UNHEARD
from stress.model.plan import Plan
from stress.model.world import CLIENT, SERVER, Drop, FilterRule, Firewall
from stress.storm.check.mine_rules import deaf_hosts
from stress.storm.mine_states import UNHEARD_ISN, unheard_flag
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
    remedy: str = "let connstorm change and restore it (--set-host)"


class ActChanges:
    """The changes of one act on one end. A context manager, which undoes them; ``end`` does so earlier."""

    def __init__(self, plan: Plan, host: str, permission: Permission, control: Control | None) -> None:
        """Prepare; nothing is changed yet.

        Args:
            plan: of the act.
            host: which end this is, client or server.
            permission: whether it may be changed.
            control: the addresses between which the control channel runs; None, or empty: unknown.

        Raises:
            UsageError: the act needs what may not be changed here, or what would cut the control channel.
        """
        if text := " ".join(change_faults(plan, host, permission, control)):
            raise UsageError(text)
        self.plan = plan
        self.host = host
        self.may_change = permission.given
        self.words = rule_set.placeholders(plan)
        self.changes: HostChanges | None = None
        self.has_rules = False
        self.changed: list[str] = []  # in words

    def begin(self) -> None:
        """Change settings and routes; the server does not listen yet, and the client has no socket.

        Raises:
            UsageError, NotApplicableError, LabError: as of ``HostChanges.apply``.
        """
        if self.may_change:  # on private hosts nothing is left of earlier storms either
            forget_time_wait(list_sources(self.plan), self.plan.target, self.plan.server_ports)
        settings = differing_settings(self.plan, self.host)
        routes = routes_of(self.plan, self.host)
        if settings:
            self.apply(HostChange(sysctls=settings), (f"{name}={value}" for name, value in settings.items()))
        if routes:
            self.apply(HostChange(routes=routes), (f"route {route.kind} {route.destination}" for route in routes))
        silent = self.plan.world.silent
        if self.host in silent and self.plan.family == 4:
            self.apply(HostChange(rules=write_silence(self.words)), [f"no answer to ARP for {self.plan.target}"])

    def withhold(self) -> None:
        """Drop what the server sends to clients of mines that are gone; before these are laid, on the client's host."""
        if self.host not in deaf_hosts(self.plan):
            return
        narrow = "{ip} saddr {server} {ip} daddr {client}".format_map(self.words)
        text = rule_set.write_withholding(
            self.words["port"], unheard_flag(self.plan), UNHEARD_ISN, first_line=OWNED, more=narrow
        )
        self.apply(HostChange(rules=text), [f"rule {UNHEARD}"])
        self.has_rules = True

    def load_rules(self, *, nat: bool) -> None:
        """Load the rules of this end that must see how mines are laid, or the others.

        With the others, which the server has loaded before, a client forgets a server that is not to be found.
        """
        if self.host == CLIENT and SERVER in self.plan.world.silent and not nat:
            self.apply(HostChange(forgotten=[self.plan.target]), [f"neighbour {self.plan.target} forgotten"])
        rules = [rule for rule in rules_of(self.plan, self.host) if is_early(rule) is nat]
        if not rules:
            return
        text = rule_set.write_rule_set(rules, self.plan.world.sets, self.words, first_line=OWNED)
        self.apply(HostChange(rules=text), (f"rule {rule.name} ({rule.hook})" for rule in rules))
        self.has_rules = True

    def count(self) -> dict[str, int]:
        """Return how many packets each rule of this end has matched."""
        return firewall.count_packets() if self.has_rules else {}

    def apply(self, change: HostChange, words: "Iterator[str] | list[str]") -> None:
        """Change something, and note it in words."""
        if self.changes is None:
            self.changes = HostChanges()
        self.changed += words
        self.changes.apply(change)

    def check(self) -> None:
        """Raise LabError if what was changed is so no longer, because the process that did it was killed."""
        if self.changes is not None:
            self.changes.check()

    def end(self) -> None:
        """Undo everything; errors are as of ``HostChanges.undo``."""
        if self.changes is not None:
            self.changes.undo()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.changes is not None:
            self.changes.__exit__(kind, value, trace)


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
    return [str(ip_address(plan.source) + number) for number in range(plan.sources)]


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


def is_early(rule: FilterRule) -> bool:
    """Return whether a rule must see how mines are laid: it translates addresses, or tracks connections."""
    return rule.nat or rule.name == Drop.INVALID


def write_silence(words: dict[str, str]) -> str:
    """Return rules for nft that leave the client's questions for the server's hardware address without an answer."""
    question = "arp operation request arp saddr ip {client} arp daddr ip {server} drop".format_map(words)
    lines = [
        f"table arp {firewall.TABLE} {{",
        OWNED,
        "chain input {",
        "type filter hook input priority 0; policy accept;",
        question,
        "}",
        "}",
    ]
    return "\n".join([*lines, ""])
