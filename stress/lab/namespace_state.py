# SPDX-License-Identifier: MIT
"""The state of a network namespace at one moment, as far as this process may see it. Nothing is sent or changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.lab import census, socket_owner
from stress.lab.listening import ListeningSocket
from stress.model.inspection import SocketOwner, Unseen

CONNTRACK_COUNT = "net.netfilter.nf_conntrack_count"
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
        bound: sockets that hold a port by bind() and are neither connected nor in LISTEN, dtype census.MESSAGE.
        listeners: every listening socket.
        owners: by inode, of the sockets whose process /proc shows.
        holders: pids of all processes that have a socket open, by inode, as far as known.
        addresses: the addresses of this namespace, as text: of all its devices, and 127.0.0.0/8 is local without.
        port_range: first and last port of net.ipv4.ip_local_port_range.
        reserved: ports of net.ipv4.ip_local_reserved_ports.
        sysctls: those that a run records, and those of conntrack, by dotted name.
        counters: of the kernel, since boot.
        conntrack: its counters since boot; empty without conntrack.
        conntrack_entries: size of its table and the limit; None without conntrack.
        rules: of nft, as ``nft list ruleset`` prints them; None: not to be seen without root.
        unseen: what could not be seen.
    """

    realtime_ns: int
    sockets: npt.NDArray[Any]
    families: npt.NDArray[np.uint8]
    ages_ms: npt.NDArray[np.int64]
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

    def owner(self, inode: int, uid: int) -> SocketOwner | None:
        """Return who holds a socket; None for one that no process has (inode 0)."""
        if not inode:
            return None
        return self.owners.get(inode) or SocketOwner(uid, socket_owner.user_name(uid))
