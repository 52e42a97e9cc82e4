# SPDX-License-Identifier: MIT
"""Mines in other states than CLOSE_WAIT: old sockets of the server whose clients are gone.

A client's socket is closed in repair mode, in which tcp_disconnect() sends nothing, and this process holds the server's
ends. Where the server would go on asking a client that is gone, whose host answered with an RST, a rule on that host
drops what it sends; the rule knows it by the number that it acknowledges, and stays for as long as the network does.
"""

import socket
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.lab import census, wait
from stress.lab.census import NUMBERS
from stress.lab.listener import Listener
from stress.lab.rule_set import withhold_answers
from stress.model.errors import LabError
from stress.model.mine import UNHEARD_STATES, Isn, MineState
from stress.model.plan import Plan
from stress.storm import four_tuples
from stress.storm.mine_connections import DEADLINE_S, TCP_REPAIR, TCP_REPAIR_ON, set_sequence_number

UNHEARD_ISN = 0x6D696E65  # of clients that shall not hear the server again
LOOK_S = 0.0005  # between two looks at a socket's state


def lay_in_state(plan: Plan, listener: Listener, places: npt.NDArray[Any]) -> None:
    """Lay one mine on each 4-tuple in the plan's state; the calling thread is on the host of their clients.

    Raises:
        LabError: a connection could not be made, or did not come into the state.
    """
    if plan.mine_state in UNHEARD_STATES:
        flag = "syn" if plan.mine_state is MineState.SYN_RECEIVED else "fin"
        withhold_answers(plan.server_ports, flag, UNHEARD_ISN)
    pairs, ports = four_tuples.split_numbers(places)
    numbers = np.random.default_rng(plan.seed).integers(1, 1 << 32, len(places))
    for pair, port, number in zip(pairs.tolist(), ports.tolist(), numbers.tolist(), strict=True):
        source, server_port = four_tuples.mine_addresses(plan, pair)
        with socket.socket(socket.AF_INET if plan.family == 4 else socket.AF_INET6) as client:
            client.settimeout(DEADLINE_S)
            try:
                if plan.mine_state in UNHEARD_STATES:
                    set_sequence_number(client, UNHEARD_ISN)
                elif plan.isn is Isn.RANDOM:
                    set_sequence_number(client, number)
                client.bind((source, port))
                if plan.mine_state is MineState.SYN_RECEIVED:
                    client.settimeout(0)
                    client.connect_ex((plan.target, server_port))  # closing sends nothing in SYN_SENT
                    continue
                client.connect((plan.target, server_port))
                BRINGERS[plan.mine_state](client, listener.accept(server_port, DEADLINE_S))
            except OSError as error:
                raise LabError(
                    f"The connection from port {port} that was to become a mine in {plan.mine_state} failed: "
                    f"{error.strerror or error}."
                ) from error


def leave_established(client: socket.socket, _: socket.socket) -> None:
    """Bring the server's end into ESTABLISHED: the client vanishes."""
    vanish(client)


def leave_fin_wait_1(client: socket.socket, server: socket.socket) -> None:
    """Bring the server's end into FIN_WAIT_1: it closes its direction, and the client never hears that."""
    server.shutdown(socket.SHUT_WR)
    vanish(client)


def leave_fin_wait_2(client: socket.socket, server: socket.socket) -> None:
    """Bring the server's end into FIN_WAIT_2: the client has acknowledged its FIN, and vanishes."""
    server.shutdown(socket.SHUT_WR)
    wait_for_state(server, MineState.FIN_WAIT_2)
    vanish(client)


def leave_last_ack(client: socket.socket, server: socket.socket) -> None:
    """Bring the server's end into LAST_ACK: both close, and the client never hears of the server's FIN."""
    client.shutdown(socket.SHUT_WR)
    wait_for_state(server, MineState.CLOSE_WAIT)
    wait_for_state(client, MineState.FIN_WAIT_2)
    server.shutdown(socket.SHUT_WR)
    vanish(client)


def leave_time_wait(client: socket.socket, server: socket.socket) -> None:
    """Bring the server's end into TIME_WAIT: it closes first, then the client."""
    server.shutdown(socket.SHUT_WR)
    wait_for_state(server, MineState.FIN_WAIT_2)
    wait_for_state(client, MineState.CLOSE_WAIT)
    client.shutdown(socket.SHUT_WR)


BRINGERS: dict[MineState, Callable[[socket.socket, socket.socket], None]] = {
    MineState.ESTABLISHED: leave_established,
    MineState.FIN_WAIT_1: leave_fin_wait_1,
    MineState.FIN_WAIT_2: leave_fin_wait_2,
    MineState.LAST_ACK: leave_last_ack,
    MineState.TIME_WAIT: leave_time_wait,
}


def vanish(client: socket.socket) -> None:
    """Let a client's socket be closed without a segment."""
    client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON)


def wait_for_state(end: socket.socket, state: MineState) -> None:
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
