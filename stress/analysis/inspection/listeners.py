# SPDX-License-Identifier: MIT
"""Listeners: queue, limit, drops, and the connections by state."""

from collections import Counter

import numpy as np

from stress.analysis.inspection.connections import PORTS, Connections, serving_listeners
from stress.lab import census
from stress.lab.listening import ListeningSocket
from stress.lab.namespace_state import NamespaceState
from stress.model.inspection import ListenerState, SocketOwner

SOMAXCONN = "net.core.somaxconn"


def describe_listeners(connections: Connections) -> list[ListenerState]:
    """Return every listener with its connections, by port and address."""
    state = connections.state
    somaxconn = int(state.sysctls.get(SOMAXCONN, -1))
    states = count_connections(connections)
    endpoints = Counter((entry.address, entry.port) for entry in state.listeners)
    described = [
        ListenerState(
            address=entry.address,
            port=entry.port,
            cookie=entry.cookie,
            owner=owner_of(state, entry),
            holders=sorted(state.holders.get(entry.inode, [])),
            stopped=sorted(state.stopped.intersection(state.holders.get(entry.inode, []))),
            waiting=entry.waiting,
            limit=entry.limit,
            is_capped=entry.limit == somaxconn,
            drops=entry.drops,
            states=dict(sorted(counts.items())),
            shares_port=endpoints[entry.address, entry.port] > 1,
            is_v6only=entry.is_v6only,
        )
        for entry, counts in zip(state.listeners, states, strict=True)
    ]
    return sorted(described, key=lambda listener: (listener.port, listener.address, listener.cookie))


def owner_of(state: NamespaceState, entry: ListeningSocket) -> SocketOwner:
    """Return who has a listening socket, else its user: there is none without a descriptor for long."""
    return state.owner(entry.inode, entry.uid) or SocketOwner(entry.uid, None)


def count_connections(connections: Connections) -> list[Counter[str]]:
    """Return the connections of each listener by state; those of several on one endpoint are counted at each."""
    listeners = connections.state.listeners
    counts: list[Counter[str]] = [Counter() for _ in listeners]
    rows = np.flatnonzero(connections.is_server)
    keys = connections.endpoints[0][rows] * 16 + connections.state.sockets["state"][rows].astype(np.int64)
    for key, count in zip(*(part.tolist() for part in np.unique(keys, return_counts=True)), strict=True):
        endpoint, number = divmod(key, 16)
        address, port = connections.addresses[endpoint // PORTS], endpoint % PORTS
        for listener in serving_listeners(listeners, address, port):
            counts[listener][census.state_name(number)] += count
    return counts
