# SPDX-License-Identifier: MIT
"""conntrack in the network namespace of the calling thread: its table, and what it counts."""

from pathlib import Path

from stress.lab.firewall import run_nft
from stress.model.errors import NotApplicableError

STATISTICS = Path("/proc/thread-self/net/stat/nf_conntrack")  # not there without the module
MAX_CONNECTIONS = "net.netfilter.nf_conntrack_max"  # of all namespaces; only the first may set it
PROBE = "connstorm_probe"
ENTRIES = "entries"  # of the whole table, the same on each CPU's line


def load_module() -> None:
    """Let the kernel load conntrack, so that its settings exist: a rule that asks for a state does it."""
    run_nft(["-f", "-"], f"table inet {PROBE} {{ chain c {{ type filter hook input priority 0; ct state new;\n}}\n}}\n")
    run_nft(["delete", "table", "inet", PROBE])


def read_statistics() -> dict[str, int]:
    """Return the counters of all CPUs together by the kernel's names; none where conntrack is not in the kernel."""
    return parse_statistics(STATISTICS.read_text()) if STATISTICS.exists() else {}


def forget_connections() -> None:
    """Empty conntrack's table, as ``conntrack -F`` does.

    Raises:
        NotApplicableError: the kernel has no conntrack that can be asked to (CONFIG_NF_CT_NETLINK).
    """
    from pyroute2 import NFCTSocket  # noqa: PLC0415  # 0.3 s, and its threads must not start before unshare()
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415  # as above

    try:
        with NFCTSocket() as netlink:
            netlink.flush()
    except (NetlinkError, OSError) as error:
        raise NotApplicableError(f"This kernel cannot empty the table of conntrack: {error}.") from error


def parse_statistics(text: str) -> dict[str, int]:
    """Return the sums of /proc/net/stat/nf_conntrack: a line of names, then one of hexadecimal numbers for each CPU.

    The number of entries is no counter and is left out.

    Raises:
        ValueError: a line has another number of columns than the first.
    """
    names, *lines = (line.split() for line in text.splitlines())
    sums = dict.fromkeys(names, 0)
    for numbers in lines:
        for name, number in zip(names, numbers, strict=True):
            sums[name] += int(number, 16)
    sums.pop(ENTRIES, None)
    return sums
