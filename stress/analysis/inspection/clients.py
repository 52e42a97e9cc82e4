# SPDX-License-Identifier: MIT
"""Clients on other hosts: leaked connections of a listener that wait for a SYN of theirs. Their range is not known."""

import numpy as np

from stress.analysis.inspection import thresholds
from stress.analysis.inspection.connections import Connections
from stress.lab import census
from stress.model.inspection import RemoteClient
from stress.model.text import endpoint_text


def count_remote_mines(connections: Connections) -> list[RemoteClient]:
    """Return how many connections in CLOSE-WAIT each address of another host has at each listener.

    Those that are older than a minute: a client that closes has its port free again after ``tcp_fin_timeout``.
    """
    is_mine = connections.state_is(census.NUMBERS["CLOSE-WAIT"]) & connections.is_server
    is_mine &= connections.state.ages_ms >= thresholds.REMOTE_MINE_AGE_MS
    rows = np.flatnonzero(is_mine & ~connections.is_local[connections.remote])
    keys = np.stack([connections.remote[rows], connections.listener[rows]], axis=1)
    pairs, counts = np.unique(keys, axis=0, return_counts=True)
    clients = []
    for (remote, number), count in zip(pairs.tolist(), counts.tolist(), strict=True):
        listener = connections.state.listeners[number]
        clients.append(
            RemoteClient(connections.addresses[remote], endpoint_text(listener.address, listener.port), count)
        )
    return sorted(clients, key=lambda client: (-client.mines, client.address, client.local))
