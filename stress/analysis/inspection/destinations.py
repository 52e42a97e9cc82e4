# SPDX-License-Identifier: MIT
"""Destinations: which ports of the range are taken for connections to each, which are left, and which are mined.

A port is taken for one destination by a socket with the same 4-tuple, and for every destination by a socket that bind()
gave it and that listens or is not connected (__inet_hash_connect(), Linux 6.18). One that was bound and then connected
takes it for every destination as well, but cannot be told from one that connect() gave the port; it is counted as that.
"""

from collections import Counter

import numpy as np
import numpy.typing as npt

from stress.analysis.inspection import chance, port_walk, rules, thresholds
from stress.analysis.inspection.connections import PORTS, Connections, serving_listeners
from stress.lab import census
from stress.model.inspection import DestinationState, SocketOwner, TakenBy

CLOSE_WAIT, TIME_WAIT = census.NUMBERS["CLOSE-WAIT"], census.NUMBERS["TIME-WAIT"]
# A SYN to a server's socket in one of these is answered by a challenge ACK. One in TIME-WAIT gives way to a new
# connection from the same host. The age of one in SYN-RECEIVED is not known.
MINED_STATES = tuple(
    census.NUMBERS[state] for state in ("ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK", "CLOSING")
)

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]


class Destinations:
    """Every pair of a source on this host and a destination, by its sockets.

    Attributes:
        connections: of the namespace.
        release: of the kernel.
        outgoing: rows of sockets that are the client's half, whose port is of the range.
        outgoing_key: of each, a number for source, address and port.
        mines: rows of the server's sockets that are mines.
        mine_key: of each, the number of the destination whose clients meet it.
    """

    def __init__(self, connections: Connections, release: str) -> None:
        """Sort the sockets by destination."""
        self.connections = connections
        self.release = release
        low, high = connections.state.port_range
        ports = connections.local_port
        self.outgoing = np.flatnonzero((ports >= low) & (ports <= high) & ~connections.is_server)
        self.mines = np.flatnonzero(is_mine(connections))
        self.outgoing_key = self.number(
            connections.local[self.outgoing], connections.remote[self.outgoing], connections.remote_port[self.outgoing]
        )
        self.mine_key = self.number(
            connections.remote[self.mines], connections.local[self.mines], connections.local_port[self.mines]
        )

    def number(self, source: Numbers, address: Numbers, port: Numbers) -> Numbers:
        """Return a number for each destination, shape (sockets,)."""
        return (source * len(self.connections.addresses) + address) * PORTS + port

    def split(self, key: int) -> tuple[str, str, int]:
        """Return source, address and port of a destination's number."""
        pair, port = divmod(key, PORTS)
        source, address = divmod(pair, len(self.connections.addresses))
        return self.connections.addresses[source], self.connections.addresses[address], port

    def list_keys(self, port: int | None, pid: int | None) -> list[int]:
        """Return the destinations, those with the most ports taken or mined first; see ``describe_destinations``."""
        every = np.concatenate([self.outgoing_key, self.mine_key])
        if pid is not None:
            rows = np.concatenate([self.outgoing, self.mines])
            every = every[np.isin(every, every[self.connections.held_by(pid)[rows]])]
        if port is not None:
            every = every[every % PORTS == port]
        keys, counts = np.unique(every, return_counts=True)
        ordered: list[int] = keys[np.argsort(-counts, kind="stable")].tolist()
        return ordered


def is_mine(connections: Connections) -> Mask:
    """Return which sockets hold a 4-tuple that connect() on this host can choose, shape (sockets,).

    They are a server's, their client's half is gone, and they are old enough not to have been made while the sockets
    were being listed. A rule may translate addresses, so that the client's half has another address of the server. So
    any socket on the client's endpoint counts as that half, but in CLOSE-WAIT only one that is connected to this host
    and whose own other half is missing, or any where rules are known to redirect.
    """
    mask = connections.is_server & connections.state_is(*MINED_STATES) & connections.is_local[connections.remote]
    mask &= (connections.state.ages_ms >= thresholds.MINE_AGE_MS) & ~connections.has_other_half
    is_doubtful = connections.has_socket_at_peer
    if not rules.may_redirect(connections.state.rules):
        is_doubtful = np.where(connections.state_is(CLOSE_WAIT), connections.has_half_socket_at_peer, is_doubtful)
    mask &= ~is_doubtful
    return mask


def describe_destinations(
    connections: Connections,
    release: str,
    *,
    port: int | None = None,
    pid: int | None = None,
    connects: int = thresholds.CONNECTS,
) -> tuple[list[DestinationState], int]:
    """Return the destinations with the most ports taken or mined, and how many more there are; none without a range.

    Args:
        connections: of the namespace.
        release: of the kernel.
        port: only destinations with it; None for all.
        pid: only destinations to which, or at which, this process has connections; None for all.
        connects: coming connects to a destination on this host whose collisions are foretold.
    """
    if not connections.state.is_range_known:
        return [], 0
    destinations = Destinations(connections, release)
    held = list_held_ports(connections)
    keys = destinations.list_keys(port, pid)
    shown = keys[: thresholds.DESTINATIONS_SHOWN]
    return [describe_destination(destinations, key, held, connects) for key in shown], len(keys) - len(shown)


def list_held_ports(connections: Connections) -> dict[int, tuple[SocketOwner | None, str]]:
    """Return the ports of the range that are taken for every destination, with owner and state."""
    state = connections.state
    holders = [(entry.port, entry.inode, entry.uid, "LISTEN") for entry in state.listeners]
    holders += [(*row, census.BOUND) for row in state.bound[["local_port", "inode", "uid"]].tolist()]
    low, high = state.port_range
    return {
        port: (state.owner(inode, uid), name)
        for port, inode, uid, name in holders
        if low <= port <= high and port not in state.reserved
    }


def describe_destination(
    destinations: Destinations, key: int, held: dict[int, tuple[SocketOwner | None, str]], connects: int
) -> DestinationState:
    """Return what is known of one destination."""
    connections = destinations.connections
    state = connections.state
    low, high = state.port_range
    source, address, port = destinations.split(key)
    rows = destinations.outgoing[destinations.outgoing_key == key]
    reusable = is_reusable(connections, rows, source, address)
    usable = np.ones(high - low + 1, np.bool_)
    usable[[number - low for number in state.reserved if low <= number <= high]] = False
    free = usable.copy()
    free[[number - low for number in held]] = False
    free[connections.local_port[rows[~reusable]] - low] = False
    mined = np.zeros(len(free), np.bool_)
    mine_ports = connections.remote_port[destinations.mines[destinations.mine_key == key]]
    mined[mine_ports[(mine_ports >= low) & (mine_ports <= high)] - low] = True
    is_here = mined.any() or serving_listeners(state.listeners, address, port)
    first, second = port_walk.list_passes(low, high)
    is_known = chance.is_walk_known(destinations.release, state.sysctls.get("net.ipv4.ip_local_port_step_width"))
    return DestinationState(
        source=source,
        address=address,
        port=port,
        usable=int(np.count_nonzero(usable)),
        taken=count_taken(connections, rows, held),
        reusable=int(np.count_nonzero(reusable)),
        left=int(np.count_nonzero(free)),
        searched=port_walk.mean_searched(free[first - low], free[second - low]),
        chance=chance.estimate_chance((low, high), free, mined, connects, is_known=is_known) if is_here else None,
    )


def is_reusable(connections: Connections, rows: npt.NDArray[np.intp], source: str, address: str) -> Mask:
    """Return which sockets are in TIME-WAIT and give their port to connect(), shape (rows,).

    tcp_twsk_unique(): with tcp_tw_reuse 1 all, with 2 those of the loopback's addresses, if they have timestamps and
    are older than tcp_tw_reuse_delay.
    """
    state = connections.state
    loopback = any(text == "::1" or (text.startswith("127.") and ":" not in text) for text in (source, address))
    allowed = {"1": True, "2": loopback}.get(state.sysctls.get("net.ipv4.tcp_tw_reuse", "0"), False)
    allowed &= state.sysctls.get("net.ipv4.tcp_timestamps", "1") != "0"
    delay_ms = int(state.sysctls.get("net.ipv4.tcp_tw_reuse_delay", 1000))
    mask: Mask = (state.sockets["state"][rows] == TIME_WAIT) & (state.ages_ms[rows] > delay_ms) & allowed
    return mask


def count_taken(
    connections: Connections, rows: npt.NDArray[np.intp], held: dict[int, tuple[SocketOwner | None, str]]
) -> list[TakenBy]:
    """Return how many ports sockets take, by owner and state, those with the most first."""
    owner, owners = connections.number_owners(rows)
    keys = owner * 16 + connections.state.sockets["state"][rows].astype(np.int64)
    numbers, counts = np.unique(keys, return_counts=True)
    taken = Counter(
        {
            (owners[key // 16], census.state_name(key % 16)): count
            for key, count in zip(numbers.tolist(), counts.tolist(), strict=True)
        }
    )
    taken.update(held.values())
    return [TakenBy(holder, name, count) for (holder, name), count in taken.most_common()]
