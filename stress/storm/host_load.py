# SPDX-License-Identifier: MIT
"""What a storm on the host's own network stack takes of what others need there too: said first, and bounded.

In a private namespace all of this is the run's own.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from stress.lab import sysctl
from stress.lab.idle import count_time_wait
from stress.model.plan import Close, Plan
from stress.storm.check.plan_rules import attempt_count
from stress.storm.ports import PortRange

FULL = 0.8  # of a table: the last fifth is for others
BUCKETS = "net.ipv4.tcp_max_tw_buckets"
TRACKED, TRACKED_MAX = "net.netfilter.nf_conntrack_count", "net.netfilter.nf_conntrack_max"


@dataclass(frozen=True)
class Table:
    """A table of the host.

    Attributes:
        what: what it holds.
        used: how many it holds now.
        size: how many it can hold.
        more: how many a storm may add.
        setting: its size as a setting.
    """

    what: str
    used: int
    size: int
    more: int
    setting: str

    @property
    def is_too_small(self) -> bool:
        """Whether a storm could fill it further than is left to others."""
        return self.more > 0 and self.used + self.more > FULL * self.size

    @property
    def text(self) -> str:
        """What a storm takes of it."""
        return f"up to {self.more:,} {self.what} more than the {self.used:,} of {self.size:,}"


def read_tables(plan: Plan, ports: PortRange) -> list[Table]:
    """Return the tables of this host that a storm fills; those that it does not have, or not use, are left out.

    A client that closes first, by FIN, leaves TIME-WAIT; where the table is full, the kernel ends those of others early
    (tcp_time_wait() of net/ipv4/tcp_minisocks.c). Conntrack keeps every connection for seconds after its end, and where
    it is full, connections of others are dropped. A table of conntrack without an entry tracks nothing here.
    """
    connections = connection_count(plan, ports)
    tables = []
    if (buckets := read_number(BUCKETS)) and not plan.close.sends_rst:
        tables.append(Table("sockets in TIME-WAIT", count_time_wait(), buckets, connections, BUCKETS))
    tracked, most = read_number(TRACKED), read_number(TRACKED_MAX)
    if tracked and most:
        tables.append(Table("entries of conntrack", tracked, most, connections, TRACKED_MAX))
    return tables


def connection_count(plan: Plan, ports: PortRange) -> int:
    """Return how many connections there may be soon after one another: no more than attempts, nor than 4-tuples."""
    attempts = attempt_count(plan, ports)
    if plan.rate_per_s is not None and plan.duration_s is not None:
        attempts = min(attempts, math.ceil(plan.rate_per_s * plan.duration_s) + 1)
    return min(attempts, len(ports) * plan.addresses)


def read_number(name: str) -> int:
    """Return the value of a setting that is a number; 0 where it is not there."""
    text = sysctl.read(name) or ""
    return int(text) if text.isascii() and text.isdecimal() else 0


def describe_load(plan: Plan, ports: PortRange) -> str:
    """Return what a storm takes of the host, in a line that is told before it begins."""
    attempts = attempt_count(plan, ports)
    held = attempts if plan.close is Close.HOLD else min(plan.window * plan.workers, attempts)
    texts = [f"up to {min(held, len(ports)):,} of {len(ports):,} ports at a time"]
    texts += [table.text for table in read_tables(plan, ports)]
    return f"on this host: {'; '.join(texts)}"


def load_faults(plan: Plan, ports: PortRange) -> Iterator[str]:
    """Yield why a storm would take too much of this host; nothing where it leaves enough to others."""
    for table in read_tables(plan, ports):
        if table.is_too_small:
            yield (
                f"There are {table.used:,} {table.what} of {table.size:,} ({table.setting}), and this storm may add "
                f"{table.more:,}: more than {FULL:.0%} of all. Make fewer --attempts, or leave out --host."
            )
