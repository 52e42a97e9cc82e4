# SPDX-License-Identifier: MIT
"""The connections that become mines: the client makes them and closes its end. None is waited for without a limit."""

import errno
import os
import socket
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from stress._fastconnect import now_ns, storm
from stress.model.attempt import allocate_attempts
from stress.model.errors import LabError
from stress.model.mine import Isn, Laying, Release
from stress.model.plan import Plan
from stress.model.units import SECOND_NS
from stress.storm import four_tuples
from stress.storm.peer.pace import CATCH_UP_NS, PACE, pending_max
from stress.storm.segment import listing_policy

WINDOW = 64
PART = 1024  # connections of one call of the engine: where none is answered, it takes twice the deadline
DEADLINE_S = 10  # of one connection, and for the starts of one part
# linux/tcp.h; the socket module does not have them
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21
TCP_REPAIR_ON, TCP_REPAIR_OFF, TCP_SEND_QUEUE = 1, 0, 2


def connect_mines(plan: Plan, places: npt.NDArray[Any], rate_per_s: float | None = None) -> None:
    """Make the connections that become mines, as the plan lays them, at a rate or as fast as the window allows."""
    if plan.isn is Isn.RANDOM:
        connect_in_repair(plan, places)
    elif plan.laying is Laying.SEED:
        connect_and_close(plan, listing_policy(plan), places, rate_per_s)
    else:
        half = len(places) // 2
        connect_and_close(plan, "kernel", places[:half], rate_per_s)
        connect_and_close(plan, "bind", places[half:], rate_per_s)


def connect_and_close(plan: Plan, policy: str, places: npt.NDArray[Any], rate_per_s: float | None = None) -> None:
    """Make one connection per 4-tuple and close it with FIN: on these 4-tuples or, by the kernel's policies, on any."""
    attempts = allocate_attempts(min(len(places), PART))
    while len(places):
        part = places[:PART]
        pairs, ports = four_tuples.split_numbers(part)
        listed = policy in ("list", "each")
        recorded, interrupted = storm(
            attempts,
            target=plan.target,
            target_port=plan.target_port,
            target_ports=plan.target_ports,
            source=four_tuples.mine_addresses(plan, 0)[0],
            sources=plan.sources,
            ports=policy,
            port_list=ports if listed else None,
            address_list=pairs if listed else None,
            close="fin",
            attempts=len(part),
            window=min(WINDOW, pending_max(rate_per_s / PACE, rate_per_s)) if rate_per_s else WINDOW,
            deadline_ns=DEADLINE_S * SECOND_NS,
            duration_ns=DEADLINE_S * SECOND_NS,
            interval_ns=round(SECOND_NS / rate_per_s) if rate_per_s else 0,
            catch_up_ns=CATCH_UP_NS,
            epoch_ns=now_ns(),
            # Without buckets only the few full sockets linger.
            linger2_s=1 if plan.release in (Release.NO_BUCKETS, Release.LINGER2) else plan.linger2_s,
        )
        if interrupted:
            raise KeyboardInterrupt
        refuse_failures(attempts[:recorded])
        places = places[recorded:]


def refuse_failures(attempts: npt.NDArray[Any]) -> None:
    """Raise LabError unless all attempts connected."""
    failed = attempts[attempts["error"] != 0]
    if not len(failed):
        return
    number = int(failed["error"][0])
    why = f"{errno.errorcode.get(number, number)} ({os.strerror(number)})"
    if number == errno.EINPROGRESS:
        why = f"no answer within {DEADLINE_S} s; see whether a firewall drops segments (nft list ruleset)"
    raise LabError(
        f"{len(failed):,} of {len(attempts):,} connections that were to become mines failed, the first from port "
        f"{failed['local_port'][0]} with {why}."
    )


def connect_in_repair(plan: Plan, places: npt.NDArray[Any]) -> None:
    """Make one connection on each 4-tuple with a random initial sequence number, and close it with FIN.

    The kernel draws sequence numbers from a clock, so for 137 s after a connection every new one on its 4-tuple has
    a higher number, and for the next 137 s a lower one (a clock of 64 ns, a number of 32 bits). Random numbers put
    both cases into one minefield. TCP_REPAIR needs CAP_NET_ADMIN, which the process has in a private namespace.
    """
    family = socket.AF_INET if plan.family == 4 else socket.AF_INET6
    numbers = np.random.default_rng(plan.seed).integers(1, 1 << 32, len(places))
    pairs, ports = four_tuples.split_numbers(places)
    for pair, port, number in zip(pairs.tolist(), ports.tolist(), numbers.tolist(), strict=True):
        source, target_port = four_tuples.mine_addresses(plan, pair)
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(DEADLINE_S)
            try:
                set_sequence_number(client, number)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)
                client.bind((source, port))
                client.connect((plan.target, target_port))
            except OSError as error:
                raise LabError(
                    f"The connection from port {port} that was to become a mine failed: {error.strerror or error}."
                ) from error


def set_sequence_number(client: socket.socket, number: int) -> None:
    """Let the connection of a new socket begin with a sequence number."""
    client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON)
    client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE)
    client.setsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ, struct.pack("=I", number))
    client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF)


def can_repair() -> bool:
    """Return whether this process may set the sequence numbers of sockets (CAP_NET_ADMIN)."""
    with socket.socket() as probe:
        try:
            probe.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON)
        except PermissionError:
            return False
        probe.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF)
    return True
