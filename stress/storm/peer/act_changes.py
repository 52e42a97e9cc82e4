# SPDX-License-Identifier: MIT
"""What an act changes on one end of a link: settings, routes, neighbours and rules; and that they are undone.

Without permission nothing is changed: the settings must be there already, and an act with rules or routes is refused.
"""

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from stress.lab import firewall, rule_set, sysctl
from stress.lab.closed_connections import forget_closed
from stress.lab.host_changes import HostChange, HostChanges
from stress.lab.owned_tables import OWNED, count_owned
from stress.model.errors import UsageError
from stress.model.mine import UNHEARD
from stress.model.plan import Plan
from stress.model.protocol import Protocol
from stress.model.world import CLIENT, SERVER, Drop, FilterRule
from stress.storm.check.mine_rules import deaf_hosts
from stress.storm.mine_states import UNHEARD_ISN, unheard_flag
from stress.storm.peer.end_changes import (
    Control,
    Permission,
    change_faults,
    differing_settings,
    list_sources,
    routes_of,
    rules_of,
)

BLACKHOLE_TIMEOUT = "net.mptcp.blackhole_timeout"


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
        self.forget_connections()  # on private hosts nothing is left of earlier storms either
        settings = differing_settings(self.plan, self.host)
        if self.may_change and self.plan.protocol is Protocol.MPTCP and self.host == CLIENT:
            settings |= forget_black_holes()
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

    @property
    def rules_text(self) -> str:
        """The rules of both ends, in words; empty where there are none."""
        return "; ".join(
            f"{host} {rule.hook}: {rule.match} {rule.action}".format_map(self.words)
            for host in (CLIENT, SERVER)
            for rule in rules_of(self.plan, host)
        )

    def count(self) -> dict[str, int]:
        """Return how many packets each rule of this end has matched."""
        return count_owned() if self.has_rules else {}

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

    def forget_connections(self) -> None:
        """Let this end forget what storms have closed, where it may be changed."""
        if self.may_change:
            forget_closed(list_sources(self.plan), self.plan.target, self.plan.server_ports)

    def end(self) -> None:
        """Undo everything; errors are as of ``HostChanges.undo``."""
        self.forget_connections()
        if self.changes is not None:
            self.changes.undo()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.forget_connections()
        if self.changes is not None:
            self.changes.__exit__(kind, value, trace)


def forget_black_holes() -> dict[str, str]:
    """Return a setting that has its value already, and whose writing lets the kernel try MPTCP again.

    Else it speaks plain TCP for an hour after an earlier storm (proc_blackhole_detect_timeout(), Linux 6.12).
    """
    value = sysctl.read(BLACKHOLE_TIMEOUT)
    return {} if value is None else {BLACKHOLE_TIMEOUT: value}


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
