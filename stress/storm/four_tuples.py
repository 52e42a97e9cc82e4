# SPDX-License-Identifier: MIT
"""The 4-tuples that a plan may use, as numbers: that of a pair of addresses times PORTS, plus the client's port."""

from ipaddress import ip_address
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from stress.model.plan import Plan, Ports
from stress.model.record import Address
from stress.model.run import PORTS
from stress.model.world import ADDRESSES, ROUTER, Topology
from stress.storm.ports import PortRange

LIST_MAX = 1 << 22  # 4-tuples in the list of a shuffled storm; a longer storm walks through it again


def all_four_tuples(plan: Plan, ports: PortRange) -> npt.NDArray[np.uint32]:
    """Return the numbers of all 4-tuples, pair by pair, shape (pairs * ports,)."""
    pairs = np.arange(plan.addresses, dtype=np.uint32) * PORTS
    return (pairs[:, None] + ports.usable).ravel()


def split_numbers(numbers: npt.NDArray[Any]) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    """Return the pair and the client's port of each 4-tuple, two arrays of the shape of ``numbers``."""
    wide = numbers.astype(np.uint32)
    return (wide // PORTS).astype(np.uint16), (wide % PORTS).astype(np.uint16)


def server_socket_numbers(plan: Plan, sockets: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """Return the 4-tuples of those of the server's sockets (dtype census.MESSAGE) whose peer is one of the clients."""
    sockets = sockets[is_peer_of_client(plan, sockets)]
    target = sockets["local_port"].astype(np.int64) - plan.target_port
    pairs = source_numbers(plan, sockets["remote_address"]) * plan.target_ports + target
    numbers: npt.NDArray[np.uint32] = (pairs * PORTS + sockets["remote_port"]).astype(np.uint32)
    return numbers


def is_peer_of_client(plan: Plan, sockets: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which sockets (dtype census.MESSAGE) are the server's, on a 4-tuple of the plan, shape (sockets,)."""
    source = source_numbers(plan, sockets["remote_address"])
    target = sockets["local_port"].astype(np.int64) - plan.target_port
    mask: npt.NDArray[np.bool_] = (source >= 0) & (source < plan.sources) & (target >= 0) & (target < plan.target_ports)
    return mask


def seen_source(plan: Plan) -> str:
    """Return the first address of the clients as the server sees it: where a router hides them, that of the router."""
    return ADDRESSES[plan.family][ROUTER] if plan.world.hides_clients else plan.source


def mine_addresses(plan: Plan, pair: int) -> tuple[str, int]:
    """Return the client's own address and the server's port for the connection that becomes a mine on a pair."""
    alone = plan.world.topology in (Topology.LOOPBACK, Topology.PEER)
    first = plan.source if alone else ADDRESSES[plan.family][plan.mines_from]
    return str(ip_address(first) + pair // plan.target_ports), plan.target_port + pair % plan.target_ports


def source_numbers(plan: Plan, addresses: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return which of the plan's sources each address (16 bytes) is, shape (addresses,); others lie outside."""
    first = ip_address(seen_source(plan))
    packed = addresses.copy().view(np.uint8).reshape(-1, 16)
    if plan.family == 4:
        return packed[:, :4].copy().view(">u4").ravel().astype(np.int64) - int(first)
    return np.where((packed == list(first.packed)).all(axis=1), 0, -1)


def draw_order(
    plan: Plan, ports: PortRange, worker: int, attempts: int, generator: np.random.Generator
) -> npt.NDArray[np.uint32] | None:
    """Return the 4-tuples that a worker of a sweeping plan walks through; None when the kernel chooses ports.

    Every worker has its own part of all 4-tuples, so that none meets another's connection. Each occurs once per sweep.
    A shuffled storm draws a new order for each sweep, up to LIST_MAX 4-tuples, and then repeats the list.
    """
    if not plan.ports.is_sweeping:
        return None
    own = all_four_tuples(plan, ports)[worker :: plan.workers]
    if plan.ports is Ports.SWEEP or not len(own):
        return own
    sweeps = min(-(-attempts // len(own)), max(LIST_MAX // len(own), 1))
    return np.concatenate([generator.permutation(own) for _ in range(max(sweeps, 1))])


def address_of(plan: Plan, first: int) -> Address:
    """Return the addresses of an act, whose pairs are numbered from ``first`` on."""
    own = Address(first, plan.source, plan.sources, plan.target, plan.target_port, plan.target_ports)
    if not plan.clients:
        return own
    sources = [plan.source, *plan.clients]
    return msgspec.structs.replace(
        own, endpoints=[(source, plan.target, port) for source in sources for port in plan.server_ports]
    )
