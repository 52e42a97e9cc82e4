# SPDX-License-Identifier: MIT
"""Rules of this network namespace that would carry packets for a local address to another server.

A rule in an output chain can translate the destination of a packet (dnat, redirect), or write another one into it;
the kernel then looks for a route again, and the packet may leave although its first route was local. Of a rule's
matches those on addresses, ports, protocols and devices are looked at; what cannot be decided may match.
"""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import msgspec

from stress.lab import firewall
from stress.model.errors import LabError, UsageError
from stress.model.json_text import decode_json
from stress.model.text import endpoint_text

CONNTRACK = Path("/proc/sys/net/netfilter/nf_conntrack_max")  # without conntrack no address is translated
CONF = Path("/proc/sys/net/ipv4/conf")
LEGACY = ("ip_tables_names", "ip6_tables_names")  # of /proc/net: tables of iptables-legacy, which nft does not list
ACTIONS = ("dnat", "redirect", "dup", "fwd", "xt")  # xt: a target of iptables that nft does not know


class Target(msgspec.Struct, frozen=True):
    """Where the packets go: an address, a port of TCP, and by which device."""

    address: str
    port: int

    @property
    def family(self) -> str:
        """The protocol's name in nft."""
        return "ip6" if ":" in self.address else "ip"


def refuse_translation(address: str, port: int) -> str | None:
    """Refuse a local address from which a rule would carry packets elsewhere, or may and cannot be seen.

    Where rules cannot be seen, the loopback can be stormed all the same: a packet from 127.0.0.0/8 does not leave
    (__mkroute_output(), Linux 6.18) unless net.ipv4.conf.*.route_localnet permits it.

    Returns a sentence for the reader of the run where rules could not be seen; None where they were, or there are none.

    Raises:
        UsageError: packets are or may be carried elsewhere.
    """
    place = endpoint_text(address, port)
    rules = list_rules()
    if rules is not None:
        if (chain := find_translating_chain(rules, Target(address, port))) is not None:
            raise UsageError(
                f"A rule of the chain {chain} (nft list ruleset) carries packets for {place} to another address, so "
                f"that the server there would not be met; nothing was sent. Storm the address that it leads to."
            )
        return None
    if not CONNTRACK.exists():
        return None
    if not is_held_back(address):
        raise UsageError(
            f"Whether a rule carries packets for {place} to another host cannot be seen here; nothing was sent. Do it "
            "as root with nft installed (Debian package nftables), or storm the server at 127.0.0.1."
        )
    return f"Whether a rule leads {place} to another port of this host could not be seen, for that needs root and nft."


def is_held_back(address: str) -> bool:
    """Return whether packets from and to a loopback address stay in the namespace whatever its rules."""
    if not ip_address(address).is_loopback:
        return False
    return ":" in address or all(setting.read_text().strip() == "0" for setting in CONF.glob("*/route_localnet"))


def list_rules() -> list[dict[str, Any]] | None:
    """Return the rule set as ``nft --json`` lists it; None where this user cannot see all of it."""
    try:
        listing = decode_json(firewall.run_nft(["--json", "list", "ruleset"]))
        tables = [Path("/proc/thread-self/net", name) for name in LEGACY]
        legacy = {table for names in tables if names.exists() for table in names.read_text().split()}
    except (LabError, OSError, msgspec.DecodeError):  # nft 1.0.6 prints nothing where a table has an owner
        return None
    items: list[dict[str, Any]] = listing["nftables"]
    return None if "nat" in legacy else items


def find_translating_chain(items: list[dict[str, Any]], target: Target) -> str | None:
    """Return the chain, with its table, whose rule may carry a segment for a target elsewhere; None if none does.

    Args:
        items: a rule set, as libnftables-json(5) has it.
        target: of the segment.
    """
    rules: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for rule in (item["rule"] for item in items if "rule" in item):
        rules.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(rule)
    maps = {
        (entry["family"], entry["table"], f"@{entry['name']}"): entry for item in items if (entry := item.get("map"))
    }
    pending = [
        (chain["family"], chain["table"], chain["name"])
        for chain in (item["chain"] for item in items if "chain" in item)
        if chain.get("hook") in ("output", "egress")
    ]
    seen = set(pending)
    while pending:
        family, table, name = pending.pop()
        for rule in rules.get((family, table, name), []):
            if family not in ("inet", "netdev", target.family) or not may_match(rule["expr"], target):
                continue
            if is_translating(rule["expr"]):
                return f"{family} {table} {name}"
            named = [maps[key] for text in strings_in(rule["expr"]) if (key := (family, table, text)) in maps]
            for follows in (verdict["target"] for verdict in values_of(("jump", "goto"), [rule["expr"], named])):
                if (place := (family, table, follows)) not in seen:
                    seen.add(place)
                    pending.append(place)
    return None


def is_translating(expressions: list[Any]) -> bool:
    """Return whether a rule's statements change where a packet goes."""
    if any(action in expression for expression in expressions for action in ACTIONS):
        return True
    written = (expression["mangle"]["key"] for expression in expressions if "mangle" in expression)
    return any(key.get("payload", {}).get("field") in ("daddr", "dport", None) and "payload" in key for key in written)


def may_match(expressions: list[Any], target: Target) -> bool:
    """Return whether a rule's matches may all hold for a segment; what cannot be decided may."""
    return all(match_holds(entry["match"], target) is not False for entry in expressions if "match" in entry)


def match_holds(match: dict[str, Any], target: Target) -> bool | None:
    """Return whether one match holds; None where that cannot be decided."""
    left, right = match["left"], match["right"]
    payload, meta = left.get("payload", {}), left.get("meta", {}).get("key")
    protocol, field = payload.get("protocol"), payload.get("field")
    if protocol in ("ip", "ip6") and protocol != target.family:
        return False
    if protocol in ("udp", "sctp", "dccp", "icmp", "icmpv6", "udplite"):
        return False
    holds: bool | None = None
    if field == "daddr":
        holds = holds_address(right, target.address)
    elif (protocol, field) in (("tcp", "dport"), ("th", "dport")):
        holds = holds_port(right, target.port)
    elif meta == "l4proto" or (protocol, field) in (("ip", "protocol"), ("ip6", "nexthdr")):
        holds = holds_value(right, ("tcp", 6))
    elif meta == "nfproto":
        holds = holds_value(right, ("ipv6" if target.family == "ip6" else "ipv4",))
    elif meta in ("oifname", "oif"):
        holds = holds_value(right, ("lo",))
    return not holds if holds is not None and match["op"] == "!=" else holds


def elements_of(right: Any) -> list[Any] | None:
    """Return the values that a match compares with; None for a named set, which is not looked into."""
    if isinstance(right, str) and right.startswith("@"):
        return None
    return right["set"] if isinstance(right, dict) and isinstance(right.get("set"), list) else [right]


def holds_address(right: Any, address: str) -> bool | None:
    """Return whether an address is one of a match; None where that cannot be decided."""
    elements, own = elements_of(right), ip_address(address)
    if elements is None:
        return None
    for element in elements:
        match element:
            case str() if "*" not in element and element.replace(".", "").replace(":", "").isalnum():
                if ip_address(element) == own:
                    return True
            case {"prefix": {"addr": str(first), "len": int(length)}}:
                if own in ip_network(f"{first}/{length}", strict=False):
                    return True
            case {"range": [str(first), str(last)]}:
                if int(ip_address(first)) <= int(own) <= int(ip_address(last)):
                    return True
            case _:
                return None
    return False


def holds_port(right: Any, port: int) -> bool | None:
    """Return whether a port is one of a match; None where that cannot be decided."""
    elements = elements_of(right)
    if elements is None:
        return None
    for element in elements:
        match element:
            case int():
                if element == port:
                    return True
            case {"range": [int(first), int(last)]}:
                if first <= port <= last:
                    return True
            case _:
                return None
    return False


def holds_value(right: Any, own: tuple[Any, ...]) -> bool | None:
    """Return whether a value is one of a match; None where that cannot be decided."""
    elements = elements_of(right)
    if elements is None or not all(isinstance(element, (str, int)) for element in elements):
        return None
    return any(element in own for element in elements)


def values_of(keys: tuple[str, ...], tree: Any) -> Iterator[Any]:
    """Yield the values of some keys, wherever they stand in a tree of JSON."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key in keys and isinstance(value, dict):
                yield value
            yield from values_of(keys, value)
    elif isinstance(tree, list):
        for value in tree:
            yield from values_of(keys, value)


def strings_in(tree: Any) -> Iterator[str]:
    """Yield every text in a tree of JSON."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, (dict, list)):
        for value in tree.values() if isinstance(tree, dict) else tree:
            yield from strings_in(value)
