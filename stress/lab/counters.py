# SPDX-License-Identifier: MIT
"""The kernel's TCP counters of this network namespace, by the kernel's own names."""

from pathlib import Path

FILES = (Path("/proc/self/net/snmp"), Path("/proc/self/net/netstat"))
GROUPS = ("Tcp", "TcpExt")
GAUGES = frozenset({"RtoAlgorithm", "RtoMin", "RtoMax", "MaxConn", "CurrEstab"})  # in Tcp, but no counters


def parse(text: str) -> dict[str, int]:
    """Return the counters of groups Tcp and TcpExt in the format of /proc/net/snmp and /proc/net/netstat.

    Each group is a line of names and a line of numbers behind the same prefix. The two groups share no name.

    Raises:
        ValueError: a group's lines do not match.
    """
    counters: dict[str, int] = {}
    lines = text.splitlines()
    for names_line, numbers_line in zip(lines[::2], lines[1::2], strict=True):
        group, _, names = names_line.partition(":")
        again, _, numbers = numbers_line.partition(":")
        if group != again:
            raise ValueError(f"a line of {group} names is followed by numbers of {again}")
        if group in GROUPS:
            counters |= {
                name: int(number)
                for name, number in zip(names.split(), numbers.split(), strict=True)
                if name not in GAUGES
            }
    return counters


def read() -> dict[str, int]:
    """Return the counters now. They belong to the network namespace of this process."""
    counters: dict[str, int] = {}
    for file in FILES:
        counters |= parse(file.read_text())
    return counters


def change(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return by how much each counter rose."""
    return {name: value - before.get(name, 0) for name, value in after.items()}
