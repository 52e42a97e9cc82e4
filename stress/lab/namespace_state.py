# SPDX-License-Identifier: MIT
"""The state of a network namespace at one moment, as far as this process may see it. Nothing is sent or changed."""

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.lab import (
    active_open,
    ages,
    census,
    conntrack,
    counters,
    local_addresses,
    network_namespace,
    socket_info,
    socket_owner,
    sysctl,
    unseen,
)
from stress.lab.listening import ListeningSocket, list_listening
from stress.model.inspection import SocketOwner, Unseen

CONNTRACK = "net.netfilter.nf_conntrack_"  # what all its settings begin with
CONNTRACK_COUNT = f"{CONNTRACK}count"
CONNECTED = tuple(state for state in census.NUMBERS if state not in ("LISTEN", "CLOSED"))


@dataclass(frozen=True)
class NamespaceState:
    """What a namespace has at one moment.

    Attributes:
        realtime_ns: when, CLOCK_REALTIME.
        sockets: every TCP socket but those in LISTEN, shape (sockets,), dtype census.MESSAGE, as ``census.list_family``
            returns them: IPv4 of IPv6 sockets as IPv4.
        families: 4 or 6 of each, shape (sockets,), uint8.
        ages_ms: since the last segment from the peer, shape (sockets,), int64; -1: not known.
        is_active_open: which surely made their connection by connect(), shape (sockets,); see ``active_open``.
        bound: sockets that hold a port by bind() and are neither connected nor in LISTEN, dtype census.MESSAGE.
        listeners: every listening socket.
        owners: by inode, of the sockets whose process /proc shows.
        holders: pids of all processes that have a socket open, by inode, as far as known.
        addresses: the addresses of this namespace, as text: of all its devices, and 127.0.0.0/8 is local without.
        port_range: first and last port of net.ipv4.ip_local_port_range, or as Linux ships it.
        reserved: ports of net.ipv4.ip_local_reserved_ports.
        sysctls: those that a run records, and those of conntrack, by dotted name.
        counters: of the kernel, since boot.
        conntrack: its counters since boot; empty without conntrack.
        conntrack_entries: size of its table and the limit; None without conntrack.
        rules: of nft, as ``nft list ruleset`` prints them; None: not to be seen without root.
        unseen: what could not be seen.
        stopped: pids of processes that have a listener open and are stopped, by a signal or a debugger.
        is_range_known: ``port_range`` was read.
    """

    realtime_ns: int
    sockets: npt.NDArray[Any]
    families: npt.NDArray[np.uint8]
    ages_ms: npt.NDArray[np.int64]
    is_active_open: npt.NDArray[np.bool_]
    bound: npt.NDArray[Any]
    listeners: list[ListeningSocket]
    owners: Mapping[int, SocketOwner]
    holders: Mapping[int, list[int]]
    addresses: frozenset[str]
    port_range: tuple[int, int]
    reserved: frozenset[int]
    sysctls: Mapping[str, str]
    counters: Mapping[str, int]
    conntrack: Mapping[str, int]
    conntrack_entries: tuple[int, int] | None
    rules: str | None = None
    unseen: list[Unseen] = field(default_factory=list)
    stopped: frozenset[int] = frozenset()
    is_range_known: bool = True

    def owner(self, inode: int, uid: int) -> SocketOwner | None:
        """Return who holds a socket; None for one that no process has (inode 0)."""
        if not inode:
            return None
        return self.owners.get(inode) or SocketOwner(uid, socket_owner.user_name(uid))


def take_state(*, with_rules: bool = True) -> NamespaceState:
    """Look at the network namespace of the calling thread.

    Costs 2 µs per socket, and 4 µs per descriptor that processes have open and this user may see.

    Args:
        with_rules: let nft list its rules, where this user may.

    Raises:
        LabError: the kernel lists no TCP sockets, or no addresses.
    """
    realtime_ns = time.time_ns()
    sockets, families, ages_ms, is_active_open = list_connections()
    bound = np.concatenate([census.list_sockets(family, [census.BOUND]) for family in (4, 6)])
    listeners = list_listening()
    counted, tracked = counters.read(), conntrack.read_statistics()
    sysctls = sysctl.read_recorded(sysctl.list_beginning(CONNTRACK))
    rules, hidden_rules = unseen.read_rules() if with_rules else (None, [])
    for table in (sockets, bound):
        table["uid"] = outside_uids(table["uid"])
    listeners = [entry._replace(uid=network_namespace.outside_uid(entry.uid)) for entry in listeners]
    uids = users_by_inode(sockets, bound, listeners)
    holders, hidden = find_holders(uids)
    return NamespaceState(
        realtime_ns=realtime_ns,
        sockets=sockets,
        families=families,
        ages_ms=ages_ms,
        is_active_open=is_active_open,
        bound=bound,
        listeners=listeners,
        owners=name_owners(holders, uids),
        holders=holders,
        addresses=local_addresses.list_addresses(),
        port_range=sysctl.read_port_range(),
        reserved=frozenset(sysctl.parse_ports(sysctls.get(sysctl.RESERVED_PORTS, ""))),
        sysctls=sysctls,
        counters=counted,
        conntrack=tracked,
        conntrack_entries=conntrack_entries(sysctls),
        rules=rules,
        unseen=[
            *unseen.describe_owners(uids[inode] for inode in hidden),
            *unseen.describe_bound(),
            *unseen.describe_range(),
            *hidden_rules,
        ],
        is_range_known=sysctl.exists(sysctl.PORT_RANGE),
        stopped=find_stopped(pid for entry in listeners for pid in holders.get(entry.inode, [])),
    )


def list_connections() -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return every TCP socket but those in LISTEN, and its family, age and active OPEN, as a state has them."""
    tables, families, ages_ms, is_active_open = [], [], [], []
    for family in (4, 6):
        for sockets, info in socket_info.dump_informed(family, CONNECTED):
            ages_ms.append(ages.age_all(sockets, info))
            is_active_open.append(active_open.find_active_opens(sockets, info))
            mapped = census.speaks_ipv4(sockets)
            sockets[mapped] = census.with_ipv4_addresses(sockets[mapped])
            tables.append(sockets)
            families.append(np.where(mapped | (family == 4), 4, 6).astype(np.uint8))
    return np.concatenate(tables), np.concatenate(families), np.concatenate(ages_ms), np.concatenate(is_active_open)


def outside_uids(uids: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return users as this process knows them; see ``network_namespace.outside_uid``."""
    users, places = np.unique(uids, return_inverse=True)
    return np.array([network_namespace.outside_uid(uid) for uid in users.tolist()], uids.dtype)[places]


def users_by_inode(
    sockets: npt.NDArray[Any], bound: npt.NDArray[Any], listeners: Iterable[ListeningSocket]
) -> dict[int, int]:
    """Return the user of each socket that has an inode."""
    uids = {entry.inode: entry.uid for entry in listeners}
    for table in (sockets, bound):
        uids.update(zip(table["inode"].tolist(), table["uid"].tolist(), strict=True))
    uids.pop(0, None)
    return uids


def name_owners(holders: Mapping[int, list[int]], uids: Mapping[int, int]) -> dict[int, SocketOwner]:
    """Return who holds each socket, by inode; one object for all sockets of a process."""
    owners: dict[tuple[int, tuple[str, int]], SocketOwner] = {}
    by_inode = {}
    for inode, named in socket_owner.name_owners(holders).items():
        key = uids[inode], named
        if key not in owners:
            name, pid = named
            owners[key] = SocketOwner(key[0], socket_owner.user_name(key[0]), pid, name)
        by_inode[inode] = owners[key]
    return by_inode


def find_stopped(pids: Iterable[int]) -> frozenset[int]:
    """Return which processes are stopped."""
    return frozenset(pid for pid in set(pids) if socket_owner.is_stopped(pid))


def find_holders(inodes: Collection[int]) -> tuple[dict[int, list[int]], set[int]]:
    """Return the processes that have each socket open, by inode, and the sockets of which no process is known.

    Nobody hides the process of a socket that was closed while /proc was read, nor one that was started then.
    """
    holders = socket_owner.list_holders(inodes)
    hidden = set(inodes) - holders.keys()
    if hidden:
        tables = [census.list_sockets(family, [*census.NUMBERS, census.BOUND]) for family in (4, 6)]
        hidden = {inode for table in tables for inode in hidden.intersection(table["inode"].tolist())}
        holders |= socket_owner.list_holders(hidden)
        hidden -= holders.keys()
    return holders, hidden


def conntrack_entries(sysctls: Mapping[str, str]) -> tuple[int, int] | None:
    """Return how many connections conntrack follows, and how many it may; None without conntrack."""
    entries, limit = sysctls.get(CONNTRACK_COUNT), sysctls.get(conntrack.MAX_CONNECTIONS)
    return None if entries is None or limit is None else (int(entries), int(limit))
