# SPDX-License-Identifier: MIT
"""The rules of a world, as text for nft, in the network namespace of the calling thread."""

from collections.abc import Iterable, Mapping

from stress.lab.firewall import TABLE, run_nft
from stress.model.mine import UNHEARD
from stress.model.world import ADDRESSES, FilterRule, Hook

# Type and priority of a chain by whether it translates addresses (nft(8), table of standard priorities).
NAT_PRIORITIES = {Hook.PREROUTING: -100, Hook.INPUT: 100, Hook.OUTPUT: -100, Hook.POSTROUTING: 100}


def load_rule_set(rules: Iterable[FilterRule], sets: Mapping[str, str], family: int, server_ports: range) -> None:
    """Add rules and sets to this namespace.

    Raises:
        LabError: nft fails.
    """
    run_nft(["-f", "-"], write_rule_set(list(rules), sets, family, server_ports))


def write_rule_set(rules: list[FilterRule], sets: Mapping[str, str], family: int, server_ports: range) -> str:
    """Return rules and sets as nft reads them: a chain for each hook, its rules in their order, with their names."""
    words = placeholders(family, server_ports)
    lines = [f"table inet {TABLE} {{"]
    lines += [f"set {name} {{ {definition.format_map(words)} }}" for name, definition in sets.items()]
    for hook, nat in dict.fromkeys((rule.hook, rule.nat) for rule in rules):
        kind, priority = ("nat", NAT_PRIORITIES[hook]) if nat else ("filter", 0)
        lines.append(f"chain {f'nat_{hook}' if nat else hook} {{")
        lines.append(f"type {kind} hook {hook} priority {priority}; policy accept;")
        for rule in rules:
            if (rule.hook, rule.nat) == (hook, nat):
                match, action = (text.format_map(words) for text in (rule.match, rule.action))
                lines.append(f'{match} counter {action} comment "{rule.name}"'.lstrip())
        lines.append("}")
    return "\n".join([*lines, "}", ""])


def placeholders(family: int, server_ports: range) -> dict[str, str]:
    """Return what the placeholders of a rule stand for."""
    first, last = server_ports[0], server_ports[-1]
    return {
        "port": f"{first}" if first == last else f"{first}-{last}",
        "ip": "ip" if family == 4 else "ip6",
        "address": "ipv4_addr" if family == 4 else "ipv6_addr",
    } | ADDRESSES[family]


def withhold_answers(server_ports: range, flag: str, number: int) -> None:
    """Drop, on this host, the server's FINs or SYN-ACKs to clients whose connections began with a sequence number.

    Their own FIN, if they sent one, has the next number. Challenge ACKs pass. The rule counts under the name UNHEARD.

    Args:
        server_ports: the server's ports.
        flag: fin or syn.
        number: the initial sequence number.

    Raises:
        LabError: nft fails.
    """
    ports = placeholders(4, server_ports)["port"]
    match = f"tcp sport {ports} tcp flags & {flag} == {flag} tcp ackseq {{ {number + 1}, {number + 2} }}"
    lines = [
        f"table inet {TABLE} {{ chain {UNHEARD} {{",
        "type filter hook input priority 0; policy accept;",
        f'{match} counter drop comment "{UNHEARD}"',
        "}",
        "}",
    ]
    run_nft(["-f", "-"], "\n".join([*lines, ""]))
