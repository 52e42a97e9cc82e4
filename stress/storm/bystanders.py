# SPDX-License-Identifier: MIT
"""Bystanders: sockets of other connections, which a storm does not meet, but the kernel has in its tables.

Their connections go from the client's address to further ports of the server. In TIME_WAIT it is the client's end that
is left, on a port that connect() chose, so that the storm's connect() finds its ports in use towards others. In
ESTABLISHED it is the server's end: the client's is closed in repair mode, without a segment, and the server's waits in
the accept queue, where it needs no descriptor.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from stress.lab import census, sysctl
from stress.model.errors import LabError
from stress.model.mine import MineState
from stress.model.plan import Plan
from stress.model.progress import ProgressCallback
from stress.storm.mine_connections import TCP_REPAIR, TCP_REPAIR_ON

PER_PORT = 10_000  # of the server: connect() chooses among fewer than 14,116 ports at first, every second of its range
AT_ONCE = 256  # connections whose two ends are held by this process
FIRST_PORT = 10_000  # of clients whose ports are not chosen by connect(), below its range
# While they are laid: the accept queue holds all of a port, and none is taken over by the next one of its port.
SETTINGS = {"net.core.somaxconn": str(PER_PORT), "net.ipv4.tcp_tw_reuse": "0"}


def bystander_ports(plan: Plan) -> range:
    """Return the server's further ports, to which bystanders are connected; the last is for those made again."""
    first = plan.target_port + plan.target_ports
    return range(first, first + -(-plan.bystanders // PER_PORT) + 1)


@contextmanager
def bystanders_laid(plan: Plan, notify: ProgressCallback) -> Iterator[None]:
    """Lay the bystanders of a plan on this host; those in ESTABLISHED stay until the context ends.

    Raises:
        LabError: a connection cannot be made, or the kernel keeps fewer sockets in their state.
    """
    if not plan.bystanders:
        yield
        return
    notify(f"laying {plan.bystanders:,} bystanders in {plan.bystander_state}")
    with ExitStack() as stack:
        usual = {name: sysctl.read(name) or "" for name in SETTINGS}
        for name, value in SETTINGS.items():
            sysctl.write(name, value)
        try:
            *ports, last = bystander_ports(plan)
            for number, port in enumerate(ports):
                lay_at_port(plan, port, min(plan.bystanders - number * PER_PORT, PER_PORT), stack)
            # Where both ends closed at once, as on a busy machine, it is the server's that is left.
            lay_at_port(plan, last, min(max(plan.bystanders - count_bystanders(plan), 0), PER_PORT), stack)
        except OSError as error:
            raise LabError(f"A connection of a bystander cannot be made: {error.strerror or error}.") from error
        finally:
            for name, value in usual.items():
                sysctl.write(name, value)
        count = count_bystanders(plan)
        if count < plan.bystanders:
            raise LabError(
                f"Of {plan.bystanders:,} bystanders {count:,} are in {plan.bystander_state}; in TIME-WAIT there are no "
                "more than net.ipv4.tcp_max_tw_buckets, and none for longer than a minute."
            )
        yield


def lay_at_port(plan: Plan, port: int, count: int, stack: ExitStack) -> None:
    """Lay some bystanders at a port of the server; ``stack`` closes its socket."""
    server = stack.enter_context(socket.create_server((plan.target, port), family=domain_of(plan), backlog=PER_PORT))
    if plan.bystander_state is MineState.ESTABLISHED:
        for number in range(count):
            with socket.socket(domain_of(plan)) as client:
                client.bind((plan.source, FIRST_PORT + number))
                client.connect((plan.target, port))
                client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON)
        return
    for first in range(0, count, AT_ONCE):
        with ExitStack() as clients:
            for _ in range(min(AT_ONCE, count - first)):
                clients.enter_context(socket.socket(domain_of(plan))).connect((plan.target, port))
            accepted = [server.accept()[0] for _ in range(min(AT_ONCE, count - first))]
        for connection in accepted:  # after the client's: TIME_WAIT is at the end that closes first
            connection.close()


def domain_of(plan: Plan) -> socket.AddressFamily:
    """Return the address family of a plan."""
    return socket.AF_INET if plan.family == 4 else socket.AF_INET6


def count_bystanders(plan: Plan) -> int:
    """Return how many sockets there are in the state of a plan's bystanders at the server's further ports."""
    ports = bystander_ports(plan)
    sockets = census.list_sockets(plan.family, [plan.bystander_state])  # once: each list goes through the whole table
    end = sockets["remote_port" if plan.bystander_state is MineState.TIME_WAIT else "local_port"]
    return int(((end >= ports[0]) & (end <= ports[-1])).sum())
