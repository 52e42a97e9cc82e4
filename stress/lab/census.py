# SPDX-License-Identifier: MIT
"""A census of TCP sockets, from the kernel's list of them (inet_diag).

pyroute2 can list sockets too, but builds a tree of dictionaries: 60 to 85 µs per socket. An array of the messages'
fixed parts takes 1.1 µs per socket, and minefields have up to a million sockets. A test compares the results of both.
"""

import socket
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stress.lab import inet_diag

# The fields of an inet_diag_msg that are used here.
MESSAGE = np.dtype(
    {
        "names": [
            *("family", "state", "timer", "local_port", "remote_port", "local_address", "remote_address", "cookie"),
            *("expires_ms", "receive_queue", "send_queue", "uid", "inode"),
        ],
        "formats": [
            *("u1", "u1", "u1", ">u2", ">u2", "V16", "V16", "=u8"),
            *("=u4", "=u4", "=u4", "=u4", "=u4"),
        ],
        "offsets": [0, 1, 2, 4, 6, 8, 24, 44, 52, 56, 60, 64, 68],
        "itemsize": inet_diag.MESSAGE_BYTES,
    }
)
TEXT_FIELDS = ("state", "local_port", "remote_port", "local_address", "remote_address", "receive_queue")
MAPPED = np.array([0] * 10 + [0xFF] * 2, np.uint8)  # the first 12 bytes of ::ffff:a.b.c.d, RFC 4291 section 2.5.5.2

# RFC 9293 names by the kernel's numbers (include/net/tcp_states.h). NEW-SYN-RECV is reported as SYN-RECEIVED.
STATES = {
    1: "ESTABLISHED",
    2: "SYN-SENT",
    3: "SYN-RECEIVED",
    4: "FIN-WAIT-1",
    5: "FIN-WAIT-2",
    6: "TIME-WAIT",
    7: "CLOSED",
    8: "CLOSE-WAIT",
    9: "LAST-ACK",
    10: "LISTEN",
    11: "CLOSING",
}
NUMBERS = {name: number for number, name in STATES.items()}
BOUND = "BOUND"  # bound and neither listening nor connected; listed since Linux 6.8, and only when it is asked for
MASKS = {name: 1 << number for name, number in NUMBERS.items()} | {BOUND: 1 << 13}  # TCP_BOUND_INACTIVE


class Socket(NamedTuple):
    """One TCP socket. ``receive_queue`` of a LISTEN socket is its accept queue."""

    state: str
    local_address: str
    local_port: int
    remote_address: str
    remote_port: int
    receive_queue: int


def list_sockets(
    family: int = 4, states: Iterable[str] = NUMBERS, *, local_port: int = 0, remote_port: int = 0
) -> npt.NDArray[Any]:
    """List the TCP sockets of this namespace, timewait mini-sockets included, shape (sockets,), dtype MESSAGE.

    Args:
        family: 4 or 6.
        states: only sockets in one of these states.
        local_port: only sockets with this local port; 0 is any.
        remote_port: only sockets with this remote port; 0 is any.

    Raises:
        LabError: the kernel does not list TCP sockets.
    """
    tables = []
    for data, offsets in inet_diag.dump_datagrams(
        socket.AF_INET if family == 4 else socket.AF_INET6,
        state_mask(states),
        local_port=local_port,
        remote_port=remote_port,
    ):
        rows = np.array(offsets, np.intp)[:, None] + np.arange(MESSAGE.itemsize)
        tables.append(np.frombuffer(data, np.uint8)[rows].view(MESSAGE)[:, 0])
    return np.concatenate(tables)


def iterate_sockets(
    family: int = 4, states: Iterable[str] = NUMBERS, *, local_port: int = 0, remote_port: int = 0
) -> Iterator[Socket]:
    """Yield the sockets of ``list_sockets``, each with its addresses as text."""
    domain = socket.AF_INET if family == 4 else socket.AF_INET6
    size = 4 if family == 4 else 16
    sockets = list_sockets(family, states, local_port=local_port, remote_port=remote_port)
    for state, local, remote, local_address, remote_address, queue in sockets[list(TEXT_FIELDS)].tolist():
        yield Socket(
            state_name(state),
            socket.inet_ntop(domain, local_address[:size]),
            local,
            socket.inet_ntop(domain, remote_address[:size]),
            remote,
            queue,
        )


def state_mask(states: Iterable[str]) -> int:
    """Return the mask of some states in a request, names in MASKS."""
    return sum(MASKS[state] for state in set(states))


def state_name(state: int) -> str:
    """Return the name of a TCP state."""
    return STATES.get(state, "SYN-RECEIVED")


def list_family(
    family: int, states: Iterable[str] = NUMBERS, *, local_port: int = 0, remote_port: int = 0
) -> npt.NDArray[Any]:
    """List the TCP sockets that speak a family, shape (sockets,), dtype MESSAGE.

    A socket of family 6 that is bound to ``::`` may serve IPv4 as well. Its connections are then IPv6 sockets with
    addresses such as ::ffff:127.0.0.1; they are listed as IPv4, with their addresses as IPv4 sockets have them. Those
    of LISTEN stay what they are.

    Args:
        family: 4 or 6, of the packets.
        states: only sockets in one of these states.
        local_port: only sockets with this local port; 0 is any.
        remote_port: only sockets with this remote port; 0 is any.
    """
    states = list(states)
    ports = {"local_port": local_port, "remote_port": remote_port}
    sockets6 = list_sockets(6, states, **ports)
    mapped = speaks_ipv4(sockets6)
    if family == 6:
        return sockets6[~mapped]
    return np.concatenate([list_sockets(4, states, **ports), with_ipv4_addresses(sockets6[mapped])])


def speaks_ipv4(sockets: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which IPv6 sockets, shape (sockets,), have connections of IPv4."""
    return is_mapped(sockets["remote_address"]) | is_mapped(sockets["local_address"])


def with_ipv4_addresses(sockets: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return IPv6 sockets that speak IPv4 with their addresses as IPv4 sockets have them."""
    as_ipv4 = sockets.copy()
    for field in ("local_address", "remote_address"):
        addresses = as_ipv4[field].copy().view(np.uint8).reshape(-1, 16)
        addresses[:, :4] = addresses[:, 12:]
        addresses[:, 4:] = 0
        as_ipv4[field] = addresses.view("V16").ravel()
    return as_ipv4


def is_mapped(addresses: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which addresses, shape (sockets,) of 16 bytes each, are IPv4 addresses mapped into IPv6."""
    mapped: npt.NDArray[np.bool_] = (addresses.copy().view(np.uint8).reshape(-1, 16)[:, :12] == MAPPED).all(axis=1)
    return mapped


def list_server_sockets(family: int, server_ports: range) -> npt.NDArray[Any]:
    """List the sockets of a server's ports but those in LISTEN, shape (sockets,), dtype MESSAGE.

    Whatever their state, TIME-WAIT and SYN-RECEIVED included; addresses as ``list_family`` has them. A client in the
    same namespace whose own port is one of the server's is listed too, as a socket connected to itself is.
    """
    port = server_ports[0] if len(server_ports) == 1 else 0
    sockets = list_family(family, [state for state in NUMBERS if state != "LISTEN"], local_port=port)
    return sockets[(sockets["local_port"] >= server_ports[0]) & (sockets["local_port"] <= server_ports[-1])]


def take_census(family: int, server_ports: range, states: Iterable[str] = NUMBERS) -> dict[str, dict[str, int]]:
    """Count the sockets of a server and of its clients by state: ``{"client": {"TIME-WAIT": 7}, "server": …}``."""
    sockets = list_family(family, states)
    first, last = server_ports[0], server_ports[-1]
    of_server = (sockets["local_port"] >= first) & (sockets["local_port"] <= last)
    of_clients = ~of_server & (sockets["remote_port"] >= first) & (sockets["remote_port"] <= last)
    return {"client": count_by_state(sockets[of_clients]), "server": count_by_state(sockets[of_server])}


def count_by_state(sockets: npt.NDArray[Any]) -> dict[str, int]:
    """Count sockets by state."""
    counts: dict[str, int] = {}
    for state, count in enumerate(np.bincount(sockets["state"]).tolist()):
        if count:
            counts[state_name(state)] = counts.get(state_name(state), 0) + count
    return dict(sorted(counts.items()))
