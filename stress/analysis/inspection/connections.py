# SPDX-License-Identifier: MIT
"""The connections of a namespace as numbers: addresses, endpoints, both halves, owners. 100,000 take some 0.1 s."""

import socket
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.lab.listening import ListeningSocket
from stress.lab.namespace_state import NamespaceState
from stress.model.inspection import SocketOwner

PORTS = 1 << 16
NO_LISTENER = -1

Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Connections:
    """Every socket of a state but those in LISTEN, with its addresses as numbers.

    Attributes:
        state: the namespace.
        local: number of each socket's own address, shape (sockets,).
        remote: of its peer's.
        local_port: its own port, shape (sockets,), int64.
        remote_port: its peer's.
        addresses: the addresses as text, by their numbers.
        is_local: which addresses are of this namespace, shape (addresses,).
    """

    def __init__(self, state: NamespaceState) -> None:
        """Number the addresses of a state."""
        self.state = state
        sockets = state.sockets
        both = np.concatenate([sockets["local_address"], sockets["remote_address"]])
        numbers, self.addresses = number_addresses(both, np.tile(state.families, 2))
        self.local, self.remote = numbers[: len(sockets)], numbers[len(sockets) :]
        self.local_port = sockets["local_port"].astype(np.int64)
        self.remote_port = sockets["remote_port"].astype(np.int64)
        self.is_local = np.array([is_of_host(address, state.addresses) for address in self.addresses], np.bool_)

    def __len__(self) -> int:
        """Return how many sockets there are."""
        return len(self.local)

    def state_is(self, *numbers: int) -> Mask:
        """Return which sockets are in one of some TCP states, by the kernel's numbers, shape (sockets,)."""
        mask: Mask = np.isin(self.state.sockets["state"], numbers)
        return mask

    @cached_property
    def endpoints(self) -> tuple[Numbers, Numbers]:
        """Numbers of each socket's own endpoint and of its peer's, each shape (sockets,); equal endpoints are equal."""
        return self.local * PORTS + self.local_port, self.remote * PORTS + self.remote_port

    @cached_property
    def has_other_half(self) -> Mask:
        """Which sockets' peers are in this namespace as well, with the same 4-tuple, shape (sockets,)."""
        mask = np.zeros(len(self), np.bool_)
        rows = np.flatnonzero(self.is_local[self.remote])
        own, peer = self.endpoints
        _, dense = np.unique(np.concatenate([own[rows], peer[rows]]), return_inverse=True)
        dense_own, dense_peer = dense[: len(rows)], dense[len(rows) :]
        size = 2 * len(rows) + 1
        mask[rows] = np.isin(dense_peer * size + dense_own, dense_own * size + dense_peer)
        return mask

    @cached_property
    def has_socket_at_peer(self) -> Mask:
        """Of which sockets the peer's endpoint is a socket's of this namespace, whatever that is connected to."""
        own, peer = self.endpoints
        mask: Mask = np.isin(peer, own)
        return mask

    @cached_property
    def has_half_socket_at_peer(self) -> Mask:
        """Of which sockets the peer's endpoint is that of a client of this host whose server's half is not here."""
        own, peer = self.endpoints
        is_half = self.is_local[self.remote] & ~self.has_other_half & ~self.is_server
        mask: Mask = np.isin(peer, own[is_half])
        return mask

    @cached_property
    def listener(self) -> Numbers:
        """Number of the listener in ``state.listeners`` that each socket's connection came to; -1: none.

        A client that bound its port with SO_REUSEADDR or SO_REUSEPORT may share it with a listener, as programs do that
        pass through NAT: where the kernel tells that the socket made the active OPEN, it is no listener's.
        """
        listeners = self.state.listeners
        numbers = np.full(len(self), NO_LISTENER, np.int64)
        has_port = np.isin(self.local_port, [entry.port for entry in listeners])
        rows = np.flatnonzero(has_port & ~self.state.is_active_open)
        endpoints, inverse = np.unique(self.endpoints[0][rows], return_inverse=True)
        serving = [
            serving_listeners(listeners, self.addresses[endpoint // PORTS], endpoint % PORTS)
            for endpoint in endpoints.tolist()
        ]
        first = np.array([numbers[0] if numbers else NO_LISTENER for numbers in serving], np.int64)
        numbers[rows] = first[inverse] if len(rows) else NO_LISTENER
        return numbers

    @property
    def is_server(self) -> Mask:
        """Which sockets are connections of a listener, shape (sockets,)."""
        mask: Mask = self.listener != NO_LISTENER
        return mask

    def number_owners(self, rows: npt.NDArray[np.intp]) -> tuple[Numbers, list[SocketOwner | None]]:
        """Return the owner of some sockets as numbers, shape (rows,), and the owners by their numbers."""
        table: dict[SocketOwner | None, int] = {None: 0}
        by_user: dict[int, int] = {}
        known = self.state.owners
        numbers = []
        for inode, uid in self.state.sockets[["inode", "uid"]][rows].tolist():
            owner = known.get(inode) if inode else None
            if owner is not None:
                numbers.append(table.setdefault(owner, len(table)))
            elif not inode:
                numbers.append(0)
            else:
                if uid not in by_user:
                    by_user[uid] = table.setdefault(self.state.owner(inode, uid), len(table))
                numbers.append(by_user[uid])
        return np.array(numbers, np.int64), list(table)

    def held_by(self, pid: int) -> Mask:
        """Return which sockets a process has open, shape (sockets,)."""
        inodes = [inode for inode, pids in self.state.holders.items() if pid in pids]
        inodes += [inode for inode, owner in self.state.owners.items() if owner.pid == pid]
        mask: Mask = np.isin(self.state.sockets["inode"], inodes)
        return mask


def number_addresses(addresses: npt.NDArray[Any], families: npt.NDArray[np.uint8]) -> tuple[Numbers, list[str]]:
    """Return a number for each address, shape (addresses,), and the addresses as text by their numbers.

    Args:
        addresses: 16 bytes each, as inet_diag has them.
        families: 4 or 6 of each.
    """
    halves = np.ascontiguousarray(addresses).view("<u8").reshape(-1, 2)
    _, high = np.unique(halves[:, 0], return_inverse=True)
    lows, low = np.unique(halves[:, 1], return_inverse=True)
    keys = (high.astype(np.int64) * max(len(lows), 1) + low) * 2 + (families == 6)
    _, first, numbers = np.unique(keys, return_index=True, return_inverse=True)
    texts = [
        socket.inet_ntop(socket.AF_INET, raw[:4]) if family == 4 else socket.inet_ntop(socket.AF_INET6, raw)
        for raw, family in zip(addresses[first].tolist(), families[first].tolist(), strict=True)
    ]
    return numbers.astype(np.int64), texts


def is_of_host(address: str, addresses: frozenset[str]) -> bool:
    """Return whether an address is of this host: one of its devices', or of 127.0.0.0/8."""
    return address in addresses or (address.startswith("127.") and ":" not in address)


def serving_listeners(listeners: Sequence[ListeningSocket], address: str, port: int) -> list[int]:
    """Return the numbers of the listeners that a SYN to an endpoint can reach: the most specific ones."""
    serving = [
        number
        for number, entry in enumerate(listeners)
        if entry.port == port and entry.serves(address, range(port, port + 1))
    ]
    exact = [number for number in serving if not listeners[number].is_bound_to_any]
    return exact or serving
