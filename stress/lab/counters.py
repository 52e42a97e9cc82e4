# SPDX-License-Identifier: MIT
"""The kernel's counters of this network namespace, by the kernel's own names: TCP's, and what the loopback lost."""

from pathlib import Path

FILES = (Path("/proc/self/net/snmp"), Path("/proc/self/net/netstat"))
DEVICES = Path("/proc/self/net/dev")
LO_DROPPED = "lo rx_dropped"  # named as in /sys/class/net/lo/statistics; that directory is the host's own
GROUPS = ("Tcp", "TcpExt")
GAUGES = frozenset({"RtoAlgorithm", "RtoMin", "RtoMax", "MaxConn", "CurrEstab"})  # in Tcp, but no counters


def parse_counters(text: str) -> dict[str, int]:
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
        counters |= parse_counters(file.read_text())
    return counters | {LO_DROPPED: lo_dropped(DEVICES.read_text())}


def lo_dropped(text: str) -> int:
    """Return how many packets the loopback device lost on their way in, in the format of /proc/net/dev.

    It does when its CPU's queue is full (enqueue_to_backlog(), net.core.netdev_max_backlog, 1,000 packets): when a
    thousand timers fire in one tick, say.
    """
    for line in text.splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == "lo":
            return int(numbers.split()[3])
    return 0


def counter_changes(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return by how much each counter rose."""
    return {name: value - before.get(name, 0) for name, value in after.items()}
