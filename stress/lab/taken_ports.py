# SPDX-License-Identifier: MIT
"""Ports of the ephemeral range that other sockets hold, so that a connect() to a target cannot have them.

A port is taken for one target by a socket with the same 4-tuple, and for every target by a socket that bind() gave it
and that listens or is not connected (__inet_hash_connect(), Linux 6.18). A socket that was bound and then connected
elsewhere takes it too, but cannot be told from one that connect() gave the port, which does not; it is left out.
"""

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stress.lab import census, socket_owner

NO_PROCESS = "no process"


class PortHolder(NamedTuple):
    """One socket that holds a port; ``cookie`` is its own for as long as it lives."""

    port: int
    state: str
    cookie: int
    uid: int
    inode: int


def list_port_holders(
    sources: tuple[str, int], target: str, target_ports: range, port_range: tuple[int, int]
) -> list[PortHolder]:
    """Return the sockets that take a port of a range for connections to a target, but not the target's own ports.

    With several sources or ports of the target, a port is taken by connections when there is one from each source to
    each port.

    Args:
        sources: the clients' first address, and how many there are, counted up from it.
        target: the server's address.
        target_ports: the server's.
        port_range: first and last port that connect() may choose.

    Raises:
        LabError: the kernel does not list TCP sockets.
    """
    low, high = port_range
    family = ip_address(target).version
    connected = census.list_family(family, [state for state in census.NUMBERS if state not in ("LISTEN", "CLOSED")])
    to_target = (connected["remote_port"] >= target_ports[0]) & (connected["remote_port"] <= target_ports[-1])
    to_target &= is_one_of(connected["remote_address"], target, 1) & is_one_of(connected["local_address"], *sources)
    connected = connected[to_target & in_range(connected, low, high)]
    connections = np.bincount(connected["local_port"], minlength=high + 1)[connected["local_port"]]
    holders = list(holders_of(connected[connections >= sources[1] * len(target_ports)]))
    for bound_family in (4, 6):  # a port that bind() gave is taken for both families, and whatever the address
        bound = census.list_sockets(bound_family, ["LISTEN", census.BOUND])
        holders += holders_of(bound[in_range(bound, low, high)])
    return [holder for holder in holders if holder.port not in target_ports]


def is_one_of(addresses: npt.NDArray[Any], first: str, count: int) -> npt.NDArray[np.bool_]:
    """Return which addresses, shape (sockets,) of 16 bytes each, are among ``count`` that follow ``first``."""
    packed = np.frombuffer(ip_address(first).packed, np.uint8)
    size = len(packed)
    numbers = addresses.copy().view(np.uint8).reshape(-1, 16)[:, size - 4 : size].copy().view(">u4")[:, 0]
    low = int.from_bytes(packed[-4:].tobytes(), "big")
    same_start = (addresses.copy().view(np.uint8).reshape(-1, 16)[:, : size - 4] == packed[:-4]).all(axis=1)
    mask: npt.NDArray[np.bool_] = same_start & (numbers >= low) & (numbers < low + count)
    return mask


def in_range(sockets: npt.NDArray[Any], low: int, high: int) -> npt.NDArray[np.bool_]:
    """Return which sockets have a local port from ``low`` to ``high``, shape (sockets,)."""
    mask: npt.NDArray[np.bool_] = (sockets["local_port"] >= low) & (sockets["local_port"] <= high)
    return mask


def holders_of(sockets: npt.NDArray[Any]) -> Iterable[PortHolder]:
    """Yield sockets as holders of their local ports; the kernel has no state of its own for BOUND."""
    for port, state, cookie, uid, inode in sockets[["local_port", "state", "cookie", "uid", "inode"]].tolist():
        name = census.BOUND if state == census.NUMBERS["CLOSED"] else census.state_name(state)
        yield PortHolder(port, name, cookie, uid, inode)


def group_by_owner(holders: Iterable[PortHolder]) -> dict[tuple[str, str], list[int]]:
    """Return the ports of holders by owner and state, ascending.

    The owner is a process, else a user. A socket that its process has closed has neither: the kernel lists TIME-WAIT
    sockets as those of user 0.
    """
    holders = list(holders)
    owners = socket_owner.find_owners({holder.inode for holder in holders})
    groups: dict[tuple[str, str], list[int]] = {}
    for holder in sorted(holders):
        owner = owners.get(holder.inode) or (socket_owner.user_text(holder.uid) if holder.inode else NO_PROCESS)
        groups.setdefault((owner, holder.state), []).append(holder.port)
    return groups
