# SPDX-License-Identifier: MIT
"""The rules of a world, as text for nft, in the network namespace of the calling thread."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

import msgspec

from stress.lab.firewall import TABLE, run_nft
from stress.model.mine import UNHEARD
from stress.model.plan import Plan
from stress.model.world import ADDRESSES, CLIENT, SERVER, FilterRule, Hook, Topology, stranger

SERVER_BITS = "server_bits"  # across a link: the server's address as a number, for fields that nft has no name for

AT_ONCE = 100  # rules; in a user namespace the kernel refuses a message of a thousand

# Type and priority of a chain by whether it translates addresses (nft(8), table of standard priorities).
NAT_PRIORITIES = {Hook.PREROUTING: -100, Hook.INPUT: 100, Hook.OUTPUT: -100, Hook.POSTROUTING: 100}


def load_rule_set(rules: Iterable[FilterRule], sets: Mapping[str, str], words: Mapping[str, str]) -> None:
    """Add rules and sets to this namespace.

    Raises:
        LabError: nft fails.
    """
    rules = [msgspec.structs.replace(rule, copies=1, match=match) for rule in rules for match in matches(rule, words)]
    for first in range(0, len(rules) or 1, AT_ONCE):
        run_nft(["-f", "-"], write_rule_set(rules[first : first + AT_ONCE], {} if first else sets, words))


def matches(rule: FilterRule, words: Mapping[str, str]) -> list[str]:
    """Return the match of each copy of a rule, with the address of its stranger."""
    family = 4 if words["ip"] == "ip" else 6
    return [rule.match.replace("{stranger}", stranger(family, number)) for number in range(1, rule.copies + 1)]


def write_rule_set(
    rules: list[FilterRule], sets: Mapping[str, str], words: Mapping[str, str], first_line: str = ""
) -> str:
    """Return rules and sets as nft reads them: a chain for each hook, its rules in their order, with their names.

    Args:
        rules: of one host.
        sets: that they use.
        words: what their placeholders stand for.
        first_line: of the table, such as its flags.
    """
    lines = [f"table inet {TABLE} {{", *([first_line] if first_line else [])]
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


def placeholders(plan: Plan) -> dict[str, str]:
    """Return what the placeholders of a plan's rules stand for; ``{client}`` may be a range or a set of addresses."""
    words = {
        "port": ports_text(plan.server_ports),
        "ip": "ip" if plan.family == 4 else "ip6",
        "address": "ipv4_addr" if plan.family == 4 else "ipv6_addr",
    }
    if plan.world.topology is not Topology.PEER:
        return words | ADDRESSES[plan.family]
    last = str(ip_address(plan.source) + plan.sources - 1)
    sources = plan.source if plan.sources == 1 else f"{plan.source}-{last}"
    return words | {
        CLIENT: f"{{ {', '.join([sources, *plan.clients])} }}" if plan.clients else sources,
        SERVER: plan.target,
        SERVER_BITS: f"{int(ip_address(plan.target)):#x}",
    }


def ports_text(server_ports: range) -> str:
    """Return the server's ports as nft reads them."""
    first, last = server_ports[0], server_ports[-1]
    return f"{first}" if first == last else f"{first}-{last}"


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
    run_nft(["-f", "-"], write_withholding(ports_text(server_ports), flag, number))


def write_withholding(ports: str, flag: str, number: int, first_line: str = "", more: str = "") -> str:
    """Return the rule of ``withhold_answers`` as nft reads it; ``more`` is what else must match."""
    match = f"{more} tcp sport {ports} tcp flags & {flag} == {flag} tcp ackseq {{ {number + 1}, {number + 2} }}"
    lines = [
        f"table inet {TABLE} {{",
        *([first_line] if first_line else []),
        f"chain {UNHEARD} {{",
        "type filter hook input priority 0; policy accept;",
        f'{match.lstrip()} counter drop comment "{UNHEARD}"',
        "}",
        "}",
    ]
    return "\n".join([*lines, ""])
