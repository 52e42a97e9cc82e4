# SPDX-License-Identifier: MIT
"""World: the hosts between which a storm runs, and what is wrong with them. Imports no numpy."""

from enum import StrEnum
from ipaddress import ip_address
from typing import Any

import msgspec

CLIENT, CLIENT2, ROUTER, SERVER = "client", "client2", "router", "server"
BRIDGE = "bridge"  # a namespace of its own, but no host: it has no address


class Topology(StrEnum):
    """Which hosts there are, each a network namespace of its own but for PEER, and how they are joined."""

    LOOPBACK = "loopback"  # client and server are one host
    LINK = "link"  # client and server, joined by a link
    BRIDGE = "bridge"  # client and server, each joined by a link to one bridge
    ROUTER = "router"  # a router between client and server
    TWO_CLIENTS = "two-clients"  # a router between two clients and a server
    PEER = "peer"  # client and server are machines of their own; what is between them is there already

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names of the hosts, the client first."""
        return HOSTS[self]


HOSTS = {
    Topology.LOOPBACK: (CLIENT,),
    Topology.LINK: (CLIENT, SERVER),
    Topology.BRIDGE: (CLIENT, SERVER),
    Topology.ROUTER: (CLIENT, ROUTER, SERVER),
    Topology.TWO_CLIENTS: (CLIENT, CLIENT2, ROUTER, SERVER),
    Topology.PEER: (CLIENT, SERVER),
}
# By family: addresses that are set aside for benchmarks of networks (RFC 2544, RFC 5180), so that they are nobody's.
ADDRESSES = {
    4: {CLIENT: "198.18.0.2", CLIENT2: "198.18.0.3", ROUTER: "198.18.1.1", SERVER: "198.18.1.2"},
    6: {CLIENT: "2001:2::2", CLIENT2: "2001:2::3", ROUTER: "2001:2:0:1::1", SERVER: "2001:2:0:1::2"},
}
STRANGERS = {4: ip_address("198.19.0.0"), 6: ip_address("2001:2:0:ffff::")}  # of the same blocks; no host has one
GATEWAYS = {4: "198.18.0.1", 6: "2001:2::1"}  # the router's address on the clients' links


def stranger(family: int, number: int) -> str:
    """Return an address that no host of a world has; each number has another one."""
    return str(STRANGERS[family] + number)


class Hook(StrEnum):
    """Where in the path of a packet a rule looks at it (netfilter's hooks)."""

    PREROUTING = "prerouting"
    INPUT = "input"
    FORWARD = "forward"
    OUTPUT = "output"
    POSTROUTING = "postrouting"


class Drop(StrEnum):
    """Which segments a firewall between client and server drops."""

    NOTHING = "nothing"
    RST = "rst"  # the client's RSTs
    CHALLENGE = "challenge"  # the server's segments with no flag but ACK, such as challenge ACKs
    INVALID = "invalid"  # what conntrack classifies as INVALID: the common rule


class Firewall(StrEnum):
    """How the firewall is implemented."""

    NFT = "nft"  # nftables rules in the private namespace
    BPF = "bpf"  # classic BPF filters on the sockets


class Segment(StrEnum):
    """A segment of a handshake."""

    SYN = "syn"
    SYN_ACK = "syn-ack"
    CHALLENGE = "challenge"  # the ACK that answers a SYN on an old connection
    RST = "rst"


class FilterRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule of nftables: ``MATCH counter ACTION``, or several in a row that are alike.

    In ``match`` and ``action`` ``{port}`` stands for the server's ports, ``{ip}`` for ``ip`` or ``ip6``, ``{address}``
    for ``ipv4_addr`` or ``ipv6_addr``, and ``{client}``, ``{client2}``, ``{router}`` and ``{server}`` for the addresses
    of these hosts; ``{{`` for one brace.

    Attributes:
        name: of its counter.
        hook: where it looks.
        match: expressions of nftables; empty matches every packet.
        action: statements of nftables.
        on: the host.
        nat: whether its chain translates addresses.
        stops: which segment of the storm it stops, if its count is exactly of those; None: the books do not use it.
        copies: how many rules it is; ``{stranger}`` stands for an address that no host has, in each copy another one.
    """

    name: str
    hook: Hook
    match: str
    action: str = "drop"
    on: str = SERVER
    nat: bool = False
    stops: Segment | None = None
    copies: int = 1

    @property
    def text(self) -> str:
        """What it does, as it is written here, and how often it is there."""
        return f"{self.match} {self.action}{f' ({self.copies:,} times)' if self.copies > 1 else ''}"

    @property
    def sends_rst(self) -> bool:
        """Whether it answers what it matches by an RST in the place of the host that this was for."""
        return self.action.startswith("reject with tcp reset")

    @property
    def sends_icmp(self) -> bool:
        """Whether it answers a SYN by an ICMP error in the place of the host that this was for."""
        return self.stops is Segment.SYN and self.action.startswith("reject") and not self.sends_rst


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A route that a host has in addition.

    Attributes:
        to: the name of a host, or an address with its prefix length.
        kind: unreachable, prohibit, blackhole or throw: what becomes of packets; unicast: they leave through a device;
            local: they are for this host.
        on: the host.
        through: the device, for the last two.
    """

    to: str
    kind: str
    on: str = SERVER
    through: str | None = None


class Queue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A queueing discipline on all links of a host, in the direction away from it.

    Attributes:
        kind: netem or tbf.
        options: as pyroute2 takes them: delays in µs, rates in bytes per second, loss in per cent.
        on: the host.
    """

    kind: str
    options: dict[str, int | float | str]
    on: str


class World(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The hosts of a storm.

    Attributes:
        topology: which hosts there are.
        rules: of their firewalls, in this order; those that translate addresses begin to work
            before mines are laid, the others after it.
        sets: sets of nftables, on each host that has rules: name and definition, with the placeholders of a rule.
        routes: that hosts have in addition.
        queues: queueing disciplines; they begin to work when mines have been laid.
        sysctls: settings of single hosts by the host's name, in addition to those of the plan.
        silent: hosts whose hardware addresses nobody knows, and which do not answer when they are asked for them by
            ARP; over IPv6 a rule has to drop the question.
    """

    topology: Topology = Topology.LOOPBACK
    rules: list[FilterRule] = []
    sets: dict[str, str] = {}
    routes: list[Route] = []
    queues: list[Queue] = []
    sysctls: dict[str, dict[str, str]] = {}
    silent: list[str] = []

    def described(self) -> dict[str, Any]:
        """Return it for a plan's identity: with what was added after 1.0 only where it is not as it was then."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        for rule in document["rules"]:
            if rule["copies"] == 1:
                del rule["copies"]
        return document

    def host(self, name: str) -> str:
        """Return the host that a name means: where client and server are one, that one."""
        return CLIENT if self.topology is Topology.LOOPBACK else name

    @property
    def is_across_link(self) -> bool:
        """Whether client and server are machines of their own, which others use too."""
        return self.topology is Topology.PEER

    def rules_that_stop(self, segment: Segment) -> list[str]:
        """Return the names of the rules that stop a segment of the handshake."""
        return [rule.name for rule in self.rules if rule.stops is segment]

    @property
    def hides_clients(self) -> bool:
        """Whether the server sees the router's address in place of the clients'."""
        return any(rule.nat and rule.hook is Hook.POSTROUTING and rule.on == ROUTER for rule in self.rules)

    @property
    def interceptors(self) -> list[str]:
        """The names of the rules that answer challenge ACKs in the client's place."""
        return [rule.name for rule in self.rules if rule.stops is Segment.CHALLENGE and rule.sends_rst]

    @property
    def translates(self) -> bool:
        """Whether a rule translates addresses, so that a packet's 4-tuple differs from host to host."""
        return any(rule.nat for rule in self.rules)
