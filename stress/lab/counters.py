# SPDX-License-Identifier: MIT
"""The kernel's counters of this network namespace, by the kernel's names: TCP, and drops of the loopback."""

from pathlib import Path

FILES = (Path("/proc/self/net/snmp"), Path("/proc/self/net/netstat"))
DEVICES = Path("/proc/self/net/dev")
LO_DROPPED = "lo rx_dropped"  # named as in /sys/class/net/lo/statistics; that directory shows the host's namespace
GROUPS = ("Tcp", "TcpExt")
GAUGES = frozenset({"RtoAlgorithm", "RtoMin", "RtoMax", "MaxConn", "CurrEstab"})  # in Tcp, but not counters


def parse_counters(text: str) -> dict[str, int]:
    """Return the counters of groups Tcp and TcpExt in the format of /proc/net/snmp and /proc/net/netstat.

    Each group is a line of names and a line of numbers with the same prefix. The groups have no name in common.

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
    """Return the current counters of the network namespace of this process."""
    counters: dict[str, int] = {}
    for file in FILES:
        counters |= parse_counters(file.read_text())
    return counters | {LO_DROPPED: lo_dropped(DEVICES.read_text())}


def lo_dropped(text: str) -> int:
    """Return how many received packets the loopback device dropped, from text in the format of /proc/net/dev.

    It drops packets when the queue of its CPU is full (enqueue_to_backlog(), net.core.netdev_max_backlog, 1,000
    packets), for example when a thousand timers expire in one tick.
    """
    for line in text.splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == "lo":
            return int(numbers.split()[3])
    return 0


def counter_changes(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return the increase of each counter."""
    return {name: value - before.get(name, 0) for name, value in after.items()}
