# SPDX-License-Identifier: MIT
"""Leaks: connections whose peer has ended or vanished, and that this host still has."""

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from stress.analysis.inspection import thresholds
from stress.analysis.inspection.connections import NO_LISTENER, Connections
from stress.lab import census
from stress.model.inspection import Ages, Leak, SocketOwner
from stress.model.text import endpoint_text

CLOSE_WAIT = census.NUMBERS["CLOSE-WAIT"]
# This host has sent its FIN and the peer does not acknowledge it. FIN-WAIT-2 is none of them: a peer that has heard the
# FIN may send for as long as it likes. An idle connection in ESTABLISHED is none either, even if both addresses are of
# this host and the other half is not here: a rule that translates addresses may have it in another namespace.
UNACKNOWLEDGED = tuple(census.NUMBERS[state] for state in ("FIN-WAIT-1", "CLOSING", "LAST-ACK"))
KEEPALIVE = 2  # idiag_timer: the timer of keepalive runs, and no other (inet_diag_msg_attrs_fill(), Linux 6.18)
HOUR_MS = 3_600_000
MILLION = 1_000_000


def find_leaks(connections: Connections, pid: int | None = None) -> list[Leak]:
    """Return the leaks by state, owner and end, those with the most sockets first.

    Args:
        connections: of the namespace.
        pid: only sockets that this process has, if others have them too, and those that no process has; None for all.
    """
    is_old = connections.state.ages_ms >= thresholds.UNACKNOWLEDGED_AGE_MS
    rows = np.flatnonzero(connections.state_is(CLOSE_WAIT) | (connections.state_is(*UNACKNOWLEDGED) & is_old))
    if pid is not None:
        rows = rows[(connections.held_by(pid) | (connections.state.sockets["inode"] == 0))[rows]]
    owner, owners = connections.number_owners(rows)
    # Connections of one listener are together; others by their own address.
    listener = connections.listener[rows]
    end = np.where(listener != NO_LISTENER, listener, len(connections.state.listeners) + connections.local[rows])
    states = connections.state.sockets["state"][rows].astype(np.int64)
    keys = (end * (len(owners) + 1) + owner) * 16 + states
    leaks = []
    for key in np.unique(keys).tolist():
        members = rows[keys == key]
        leaks.append(describe_leak(connections, members, owners[(key // 16) % (len(owners) + 1)]))
    return sorted(leaks, key=lambda leak: (leak.state != "CLOSE-WAIT", -leak.count, leak.local))


def describe_leak(connections: Connections, rows: npt.NDArray[np.intp], owner: SocketOwner | None) -> Leak:
    """Return the leak of some sockets of one owner, end and state."""
    state = connections.state
    first = rows[0]
    listener = int(connections.listener[first])
    is_server = listener != NO_LISTENER
    local = connections.addresses[int(connections.local[first])]
    if is_server:
        local = endpoint_text(state.listeners[listener].address, state.listeners[listener].port)
    ages_ms = state.ages_ms[rows]
    probed = int(np.count_nonzero((ages_ms >= 0) & (state.sockets["timer"][rows] == KEEPALIVE)))
    ages_ms = ages_ms[ages_ms >= 0]
    ages = summarize_ages(ages_ms, probed)
    since_utc = None
    if ages.oldest_ms is not None:
        since = datetime.fromtimestamp((state.realtime_ns // MILLION - ages.oldest_ms) / 1000, UTC)
        since_utc = since.isoformat(timespec="seconds")
    peers, counts = np.unique(connections.remote[rows], return_counts=True)
    most = np.argsort(-counts, kind="stable")[: thresholds.PEERS_SHOWN]
    is_close_wait = state.sockets["state"][first] == CLOSE_WAIT
    return Leak(
        state=census.state_name(int(state.sockets["state"][first])),
        owner=owner,
        local=local,
        peers={
            connections.addresses[peer]: count
            for peer, count in zip(peers[most].tolist(), counts[most].tolist(), strict=True)
        },
        peer_count=len(peers),
        is_server=is_server,
        count=len(rows),
        # close() leads out of CLOSE-WAIT: one without a descriptor has not been accepted.
        unaccepted=int(np.count_nonzero(state.sockets["inode"][rows] == 0)) if is_close_wait else 0,
        ages=ages,
        since_utc=since_utc,
        per_hour=estimate_rate(ages_ms) if is_close_wait and not probed else None,
    )


def summarize_ages(ages_ms: npt.NDArray[np.int64], probed: int = 0) -> Ages:
    """Return what is known of ages, shape (sockets,), of which so many are of sockets with keepalive."""
    if not len(ages_ms):
        return Ages(0, None, None, None)
    return Ages(len(ages_ms), int(ages_ms.min()), int(np.median(ages_ms)), int(ages_ms.max()), probed)


def estimate_rate(ages_ms: npt.NDArray[np.int64]) -> float | None:
    """Return how many sockets an hour a leak gained since its oldest one, if it gained them steadily; else None.

    The ages of a steady leak are spread evenly from 0 to the oldest: the largest distance between their distribution
    and that one (Kolmogorov's) may be RATE_DISTANCE. What was leaked and cleared since is not counted.
    """
    oldest_ms = int(ages_ms.max(initial=0))
    if len(ages_ms) < thresholds.RATE_SOCKETS or oldest_ms < thresholds.RATE_AGE_MS:
        return None
    shares = np.sort(ages_ms) / oldest_ms
    ranks = np.arange(len(shares) + 1) / len(shares)
    distance = max(float(np.max(ranks[1:] - shares)), float(np.max(shares - ranks[:-1])))
    return len(ages_ms) * HOUR_MS / oldest_ms if distance <= thresholds.RATE_DISTANCE else None
