# SPDX-License-Identifier: MIT
"""The kernel's counters of this network namespace, by the kernel's names: TCP, IP, ICMP, and the interfaces'.

Counters of TCP have their own names, those of IP, ICMP and MPTCP the names of nstat: IpOutNoRoutes,
Icmp6InDestUnreachs, MPTcpExtBlackhole.
"""

from collections.abc import Iterable
from pathlib import Path

FILES = (Path("/proc/thread-self/net/snmp"), Path("/proc/thread-self/net/netstat"))
IPV6_FILE = Path("/proc/thread-self/net/snmp6")  # not there without IPv6
DEVICES = Path("/proc/thread-self/net/dev")
LO_DROPPED = "lo rx_dropped"  # named as in /sys/class/net/lo/statistics; that directory shows the host's namespace
GROUPS = ("Tcp", "TcpExt")
# What of IP and ICMP tells where a SYN ended.
OF_IP = frozenset(
    {
        *("IpInAddrErrors", "IpInDiscards", "IpOutDiscards", "IpOutNoRoutes", "IpExtInCsumErrors"),
        *("IcmpInDestUnreachs", "IcmpInTimeExcds", "IcmpOutDestUnreachs", "IcmpOutRateLimitHost"),
        *("IcmpOutRateLimitGlobal", "Icmp6OutRateLimitHost"),
        *("Ip6InAddrErrors", "Ip6InDiscards", "Ip6OutDiscards", "Ip6OutNoRoutes", "Ip6InNoRoutes"),
        *("Icmp6InDestUnreachs", "Icmp6InTimeExcds", "Icmp6OutDestUnreachs"),
    }
)
# What of Multipath TCP tells what became of MP_CAPABLE in a SYN (net/mptcp/mib.c, Linux 6.12).
OF_MPTCP = frozenset(
    {
        *("MPTcpExtMPCapableSYNTX", "MPTcpExtMPCapableSYNTXDrop", "MPTcpExtMPCapableSYNTXDisabled"),
        *("MPTcpExtMPCapableSYNACKRX", "MPTcpExtMPCapableFallbackSYNACK", "MPTcpExtBlackhole"),
    }
)
GAUGES = frozenset({"RtoAlgorithm", "RtoMin", "RtoMax", "MaxConn", "CurrEstab"})  # in Tcp, but not counters


def parse_counters(text: str) -> dict[str, int]:
    """Return the counters in the format of /proc/net/snmp and /proc/net/netstat: Tcp, TcpExt, and those named above.

    Each group is a line of names and a line of numbers with the same prefix. Tcp and TcpExt have no name in common.

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
        for name, number in zip(names.split(), numbers.split(), strict=True):
            if group in GROUPS and name not in GAUGES:
                counters[name] = int(number)
            elif group + name in OF_IP | OF_MPTCP:
                counters[group + name] = int(number)
    return counters


def parse_ipv6_counters(text: str) -> dict[str, int]:
    """Return the counters of OF_IP in the format of /proc/net/snmp6: one name and its number per line."""
    pairs = (line.split() for line in text.splitlines())
    return {name: int(number) for name, number in pairs if name in OF_IP}


def read() -> dict[str, int]:
    """Return the current counters of the network namespace of this process."""
    counters: dict[str, int] = {}
    for file in FILES:
        counters |= parse_counters(file.read_text())
    if IPV6_FILE.exists():
        counters |= parse_ipv6_counters(IPV6_FILE.read_text())
    return counters | {LO_DROPPED: lo_dropped(DEVICES.read_text())}


def read_outside_packets() -> int:
    """Return how many packets all interfaces but lo have moved so far, in both directions."""
    return outside_packets(DEVICES.read_text())


def outside_packets(text: str) -> int:
    """Return the packets of all interfaces but lo, from text in the format of /proc/net/dev."""
    packets = 0
    for line in text.splitlines()[2:]:  # after two lines of titles
        name, _, numbers = line.partition(":")
        if name.strip() != "lo":
            fields = numbers.split()
            packets += int(fields[1]) + int(fields[9])
    return packets


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


def sum_counters(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Return the sum of each counter over several hosts."""
    total: dict[str, int] = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0) + value
    return total


def counter_changes(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return the increase of each counter."""
    return {name: value - before.get(name, 0) for name, value in after.items()}
