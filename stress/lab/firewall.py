# SPDX-License-Identifier: MIT
"""The firewall between client and server: nftables rules in the private namespace, or classic BPF on the sockets.

Every accepted socket inherits the filter of its listening socket. A filter needs no privilege, and the TCP header is
at offset 0 for IPv4 and IPv6 (tcp_v4_rcv() calls sk_filter() with the IP header pulled). Rules count the packets that
they drop; filters do not.
"""

import ctypes
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterable

import msgspec

from stress.model.errors import LabError
from stress.model.json_text import decode_json
from stress.model.world import Drop, Firewall

SO_ATTACH_FILTER = 26  # asm-generic/socket.h; not in the socket module
FLAGS_OFFSET = 13
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

TABLE = "connstorm"
# For each Drop the chains and the match of the rule; the rule's comment is the Drop's name.
RULES = {
    Drop.RST: (("input",), "tcp dport {port} tcp flags & rst == rst"),
    Drop.CHALLENGE: (("input",), "tcp sport {port} tcp flags & (fin | syn | rst | ack) == ack"),
    Drop.INVALID: (("input", "output"), "ct state invalid"),
}


def bpf_program(instructions: Iterable[tuple[int, int, int, int]]) -> bytes:
    """Return a classic BPF program of (code, jump if true, jump if false, operand) in the kernel's format."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)


def drop_flags_program(mask: int, value: int) -> bytes:
    """Return a BPF program that drops segments whose flags, under a mask, have a value."""
    return bpf_program(
        (
            (0x30, 0, 0, FLAGS_OFFSET),  # A = byte at FLAGS_OFFSET
            (0x54, 0, 0, mask),  # A &= mask
            (0x15, 0, 1, value),  # if A != value, skip the next
            (0x06, 0, 0, 0),  # accept 0 bytes: drop
            (0x06, 0, 0, 0xFFFFFFFF),  # accept all
        )
    )


DROP_RST = drop_flags_program(RST, RST)  # for the server's sockets
DROP_CHALLENGE = drop_flags_program(FIN | SYN | RST | ACK, ACK)  # for the client's


def attach_filter(to: socket.socket, code: bytes) -> None:
    """Attach a classic BPF program to a socket."""
    instructions = ctypes.create_string_buffer(code)
    to.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(code) // 8, ctypes.addressof(instructions))
    )


def choose_firewall(planned: Firewall | None) -> Firewall:
    """Return the firewall to use: the one of a plan, else nftables where nft is installed, else BPF."""
    return planned or (Firewall.NFT if has_nft() else Firewall.BPF)


def find_nft() -> str | None:
    """Return the path of nft: on Debian it is in /usr/sbin, which is not in the PATH of ordinary users."""
    return shutil.which("nft", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def has_nft() -> bool:
    """Return whether nft is installed."""
    return find_nft() is not None


def load_rules(drop: Drop, server_ports: range) -> None:
    """Add the nftables rules for ``drop`` to this namespace.

    Raises:
        LabError: nft fails.
    """
    chains, match = RULES[drop]
    ports = f"{server_ports[0]}-{server_ports[-1]}" if len(server_ports) > 1 else f"{server_ports[0]}"
    lines = [f"table inet {TABLE} {{"]
    for chain in chains:
        lines.append(f"chain {chain} {{ type filter hook {chain} priority 0; policy accept;")
        lines.append(f'{match.format(port=ports)} counter drop comment "{drop}"')
        lines.append("}")
    lines.append("}")
    run_nft(["-f", "-"], "\n".join(lines) + "\n")


class Counter(msgspec.Struct):
    """The counter of a rule."""

    packets: int


class Expression(msgspec.Struct):
    """One expression of a rule; only counters are decoded."""

    counter: Counter | None = None


class Rule(msgspec.Struct):
    """A rule as ``nft --json`` lists it."""

    expr: list[Expression]
    comment: str = ""


class Item(msgspec.Struct):
    """An element of a rule set; only rules are decoded."""

    rule: Rule | None = None


class Listing(msgspec.Struct):
    """The output of ``nft --json list ruleset`` (libnftables-json(5))."""

    nftables: list[Item]


def count_packets() -> dict[str, int]:
    """Return how many packets each rule of this program has matched, by its comment."""
    counts: dict[str, int] = {}
    for item in parse_listing(run_nft(["--json", "list", "table", "inet", TABLE])).nftables:
        for expression in item.rule.expr if item.rule else ():
            if item.rule and expression.counter:
                counts[item.rule.comment] = counts.get(item.rule.comment, 0) + expression.counter.packets
    return counts


def parse_listing(text: str) -> Listing:
    """Decode the output of ``nft --json``."""
    return decode_json(text, Listing)


def run_nft(arguments: list[str], text: str = "") -> str:
    """Run nft and return its output.

    Raises:
        LabError: it fails.
    """
    completed = subprocess.run(
        [find_nft() or "nft", *arguments], input=text, capture_output=True, text=True, check=False
    )
    if completed.returncode != 0:
        raise LabError(f"nft {' '.join(arguments)} failed: {completed.stderr.strip()}.")
    return completed.stdout


def list_rules() -> str:
    """Return all rules of this network namespace with their counters, as nft writes them, without members of sets.

    Raises:
        LabError: nft is not installed, or may not list them.
    """
    if not has_nft():
        raise LabError("nft is not installed here.")
    return run_nft(["--terse", "list", "ruleset"])


def describe_host_rules() -> str:
    """Return a description of the rules in the namespace of the host."""
    try:
        return f"an nftables rule set of {len(run_nft(['list', 'ruleset']).splitlines())} lines"
    except (LabError, OSError):
        return "rules unknown: nft is not installed, or may not list them"


def describe_firewall(drop: Drop, firewall: Firewall) -> str:
    """Return a description of what a firewall drops, and how."""
    if drop is Drop.NOTHING:
        return "no rule, no filter"
    if firewall is Firewall.NFT:
        return f"nftables, {' and '.join(RULES[drop][0])}: {RULES[drop][1].format(port='server')} drop"
    return {
        Drop.RST: "a BPF filter on the server's sockets drops RST",
        Drop.CHALLENGE: "a BPF filter on the client's sockets drops segments that carry ACK alone",
    }[drop]
