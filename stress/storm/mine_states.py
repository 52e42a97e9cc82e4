# SPDX-License-Identifier: MIT
"""Mines in other states than CLOSE_WAIT: old sockets of the server whose clients are gone.

A client's socket is closed in repair mode, in which tcp_disconnect() sends nothing, and this process holds the server's
ends. Where the server would go on asking a client that is gone, whose host answered with an RST, a rule on that host
drops what it sends; the rule knows it by the number that it acknowledges, and stays for as long as the network does.
"""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from stress.lab import census, wait
from stress.lab.census import NUMBERS
from stress.lab.listener import Listener
from stress.lab.rule_set import withhold_answers
from stress.model.errors import LabError
from stress.model.mine import UNHEARD_STATES, Isn, MineState
from stress.model.plan import Plan
from stress.model.world import Topology
from stress.storm import four_tuples
from stress.storm.mine_connections import DEADLINE_S, TCP_REPAIR, TCP_REPAIR_ON, set_sequence_number

UNHEARD_ISN = 0x6D696E65  # of clients that shall not hear the server again
AT_ONCE = 256  # connections whose two ends are held by this process
LOOK_S = 0.0005  # between two looks at a socket's state


class ServerEnd(Protocol):
    """The server's end of a connection: a socket, or the part of one that can be had across a link."""

    def shutdown(self, how: int, /) -> None:
        """Send its FIN."""
        ...

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """Return the first byte of TCP_INFO, which is its state."""
        ...


Ends = tuple[socket.socket, ServerEnd]  # the client's and the server's


def lay_in_state(plan: Plan, listener: Listener, places: npt.NDArray[Any], rate_per_s: float | None = None) -> None:
    """Lay one mine on each 4-tuple in the plan's state; the calling thread is on the host of their clients.

    No more than ``rate_per_s`` connections are made a second.

    Raises:
        LabError: a connection could not be made, or did not come into the state.
    """
    if plan.mine_state in UNHEARD_STATES and plan.world.topology is not Topology.PEER:  # there the rule is in place
        withhold_answers(plan.server_ports, unheard_flag(plan), UNHEARD_ISN)
    numbers = np.random.default_rng(plan.seed).integers(1, 1 << 32, len(places))
    if plan.mine_state in UNHEARD_STATES:
        numbers[:] = UNHEARD_ISN
    elif plan.isn is Isn.KERNEL:
        numbers[:] = 0
    for first in range(0, len(places), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        with ExitStack() as clients:
            pairs = []
            for place, number in zip(places[part], numbers[part].tolist(), strict=True):
                time.sleep(1 / rate_per_s if rate_per_s else 0)
                pairs.append(connect_one(plan, listener, place, number, clients))
            for step in STEPS[plan.mine_state]:
                for client, server in pairs:
                    step(client, server)


def unheard_flag(plan: Plan) -> str:
    """Return the flag of the server's segments that the clients of mines in UNHEARD_STATES shall not hear."""
    return "syn" if plan.mine_state is MineState.SYN_RECEIVED else "fin"


def connect_one(plan: Plan, listener: Listener, place: np.uint32, number: int, clients: ExitStack) -> Ends:
    """Make one connection with an initial sequence number, 0 for the kernel's own; return its two ends.

    A mine in SYN_RECEIVED has no socket yet: the server's end is the client's own.
    """
    (pair,), (port,) = (array.tolist() for array in four_tuples.split_numbers(np.array([place])))
    source, server_port = four_tuples.mine_addresses(plan, pair)
    client = clients.enter_context(socket.socket(socket.AF_INET if plan.family == 4 else socket.AF_INET6))
    client.settimeout(DEADLINE_S)
    try:
        if number:
            set_sequence_number(client, number)
        client.bind((source, port))
        if plan.mine_state is MineState.SYN_RECEIVED:
            client.settimeout(0)
            client.connect_ex((plan.target, server_port))
            return client, client
        client.connect((plan.target, server_port))
        return client, listener.accept(server_port, DEADLINE_S)
    except OSError as error:
        raise LabError(
            f"The connection from port {port} that was to become a mine in {plan.mine_state} failed: "
            f"{error.strerror or error}."
        ) from error


def vanish(client: socket.socket, _: ServerEnd) -> None:
    """Let the client's socket be closed without a segment."""
    client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON)


def close_client(client: socket.socket, _: ServerEnd) -> None:
    """Let the client send its FIN."""
    client.shutdown(socket.SHUT_WR)


def close_server(_: socket.socket, server: ServerEnd) -> None:
    """Let the server send its FIN."""
    server.shutdown(socket.SHUT_WR)


def hear_client(client: socket.socket, server: ServerEnd) -> None:
    """Wait until the client's FIN and its acknowledgement have arrived."""
    wait_for_state(server, MineState.CLOSE_WAIT)
    wait_for_state(client, MineState.FIN_WAIT_2)


def hear_server(client: socket.socket, server: ServerEnd) -> None:
    """Wait until the server's FIN and its acknowledgement have arrived."""
    wait_for_state(client, MineState.CLOSE_WAIT)
    wait_for_state(server, MineState.FIN_WAIT_2)


# What brings the server's end into a state, one step after the other for many connections at a time.
STEPS: dict[MineState, tuple[Callable[[socket.socket, ServerEnd], None], ...]] = {
    MineState.ESTABLISHED: (vanish,),
    MineState.FIN_WAIT_1: (close_server, vanish),
    MineState.FIN_WAIT_2: (close_server, hear_server, vanish),
    MineState.LAST_ACK: (close_client, hear_client, close_server, vanish),
    MineState.SYN_RECEIVED: (),  # closing a socket in SYN_SENT sends nothing
    MineState.TIME_WAIT: (close_server, hear_server, close_client),
}


def wait_for_state(end: ServerEnd, state: MineState) -> None:
    """Wait until a socket is in a state.

    Raises:
        LabError: it does not come into it.
    """

    def number() -> int:
        return end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]

    if not wait.wait_until(lambda: number() == NUMBERS[state], DEADLINE_S, interval_s=LOOK_S):
        raise LabError(
            f"A connection that was to become a mine did not come into {state}; it is in {census.state_name(number())}."
        )
