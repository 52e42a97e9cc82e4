# SPDX-License-Identifier: MIT
"""Ports of the ephemeral range that other sockets hold, so that a connect() to a target cannot have them.

A port is taken for one target by a socket with the same 4-tuple, and for every target by a socket that bind() gave it
and that listens or is not connected (__inet_hash_connect(), Linux 6.18). A socket that was bound and then connected
elsewhere takes it too, but cannot be told from one that connect() gave the port, which does not; it is left out.
"""

import socket
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stress.lab import census, socket_owner


class PortHolder(NamedTuple):
    """One socket that holds a port; ``cookie`` is its own for as long as it lives."""

    port: int
    state: str
    cookie: int
    uid: int
    inode: int


def list_port_holders(family: int, target: str, target_ports: range, port_range: tuple[int, int]) -> list[PortHolder]:
    """Return the sockets that take a port of a range for connections to a target, but not the target's own ports.

    Raises:
        LabError: the kernel does not list TCP sockets.
    """
    low, high = port_range
    connected = census.list_family(family, [state for state in census.NUMBERS if state not in ("LISTEN", "CLOSED")])
    to_target = (connected["remote_port"] >= target_ports[0]) & (connected["remote_port"] <= target_ports[-1])
    packed = ip_address(target).packed.ljust(16, b"\0")
    to_target &= connected["remote_address"] == np.array(packed, "V16")
    holders = list(holders_of(connected[to_target & in_range(connected, low, high)]))
    for domain in (socket.AF_INET, socket.AF_INET6):  # a socket of :: takes the port of IPv4 too
        bound = census.list_sockets(4 if domain == socket.AF_INET else 6, ["LISTEN", census.BOUND])
        holders += holders_of(bound[in_range(bound, low, high)])
    return [holder for holder in holders if holder.port not in target_ports]


def in_range(sockets: npt.NDArray[Any], low: int, high: int) -> npt.NDArray[np.bool_]:
    """Return which sockets have a local port from ``low`` to ``high``, shape (sockets,)."""
    mask: npt.NDArray[np.bool_] = (sockets["local_port"] >= low) & (sockets["local_port"] <= high)
    return mask


def holders_of(sockets: npt.NDArray[Any]) -> Iterable[PortHolder]:
    """Yield sockets as holders of their local ports."""
    for port, state, cookie, uid, inode in sockets[["local_port", "state", "cookie", "uid", "inode"]].tolist():
        yield PortHolder(port, census.state_name(state), cookie, uid, inode)


def group_by_owner(holders: Iterable[PortHolder]) -> dict[tuple[str, str], list[int]]:
    """Return the ports of holders by owner and state, ascending; the owner is a process, else a user."""
    holders = list(holders)
    owners = socket_owner.find_owners({holder.inode for holder in holders})
    groups: dict[tuple[str, str], list[int]] = {}
    for holder in sorted(holders):
        owner = owners.get(holder.inode) or socket_owner.user_text(holder.uid)
        groups.setdefault((owner, holder.state), []).append(holder.port)
    return groups
