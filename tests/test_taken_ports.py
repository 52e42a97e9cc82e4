# SPDX-License-Identifier: MIT
"""Which sockets take a port: what the list says, and what connect() gets, with real sockets of others."""

import errno
import os
import socket
from contextlib import ExitStack

import numpy as np
import pytest
from namespaced import namespaced

from stress.lab import socket_owner, taken_ports
from stress.lab.wait import wait_until

PORTS = {40000, 40001, 40002, 40003}
TARGET = "127.0.0.1"
ABORT = b"\1\0\0\0\0\0\0\0"  # SO_LINGER with 0 s: close() sends an RST and frees the port


def bound(address, *, listening=False, connected_to=None, v6only=False):
    """Return a socket that bind() gave port 40001."""
    end = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    if ":" in address:
        end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    end.bind((address, 40001))
    if listening:
        end.listen()
    if connected_to:
        end.connect((TARGET, connected_to))
    return [end]


def connected(count, *, source=TARGET, to=5000):
    """Return sockets whose port connect() chose."""
    ends = []
    for _ in range(count):
        end = socket.socket()
        end.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        end.bind((source, 0))
        end.connect((TARGET, to))
        ends.append(end)
    return ends


def ports_that_connect_gets():
    """Connect until no port is left, and free them all."""
    with ExitStack() as clients:
        ports = set()
        while True:
            client = clients.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            if error := client.connect_ex((TARGET, 5000)):
                assert error == errno.EADDRNOTAVAIL
                return ports
            ports.add(client.getsockname()[1])


def holders(sources=(TARGET, 1), ports=range(5000, 5001)):
    return taken_ports.list_port_holders(sources, TARGET, ports, (40000, 40003))


OTHERS = {
    "nobody": (list, set()),
    "bound, of the same address": (lambda: bound(TARGET), {"BOUND"}),
    "bound, of another address": (lambda: bound("127.0.0.9"), {"BOUND"}),
    "bound to any": (lambda: bound("0.0.0.0"), {"BOUND"}),  # noqa: S104  # inside a namespace
    "bound to any, dual stack": (lambda: bound("::"), {"BOUND"}),
    "bound, IPv6 only": (lambda: bound("::1", v6only=True), {"BOUND"}),
    "listening on another address": (lambda: bound("127.0.0.9", listening=True), {"LISTEN"}),
    "listening on IPv6 only": (lambda: bound("::1", listening=True, v6only=True), {"LISTEN"}),
    "connected to the target": (lambda: connected(2), {"ESTABLISHED"}),
    "connected to the target from another address": (lambda: connected(4, source="127.0.0.9"), set()),
    "connected to another port": (lambda: connected(4, to=5001), set()),
}


@pytest.mark.parametrize("case", OTHERS)
@namespaced
def test_exactly_the_ports_that_connect_does_not_get_are_taken(case):
    make, states = OTHERS[case]
    with socket.create_server((TARGET, 5000)), socket.create_server((TARGET, 5001)), ExitStack() as stack:
        for end in make():
            stack.enter_context(end)
        taken = holders()
        assert {holder.state for holder in taken} == states
        assert {holder.port for holder in taken} == PORTS - ports_that_connect_gets()
        assert set(holders()) == set(taken)  # its cookie says that it is the same


@pytest.mark.parametrize("to", [5000, 5001])
@namespaced
def test_a_port_that_was_bound_and_then_connected_from_elsewhere_is_left_out(to):
    """It is taken, but inet_diag does not tell it from one that connect() chose, which would not be."""
    with socket.create_server((TARGET, 5000)), socket.create_server((TARGET, 5001)), ExitStack() as stack:
        for end in bound("127.0.0.9", connected_to=to):
            stack.enter_context(end)
        assert ports_that_connect_gets() == PORTS - {40001}
        assert holders() == []


@namespaced
def test_of_several_pairs_a_port_is_taken_when_each_pair_has_it():
    two_ports = range(5000, 5002)
    with socket.create_server((TARGET, 5000)), socket.create_server((TARGET, 5001)), ExitStack() as stack:
        for end in connected(4):
            stack.enter_context(end)
        assert {holder.port for holder in holders()} == PORTS
        assert holders(ports=two_ports) == []
        assert holders(sources=("127.0.0.1", 2)) == []
        for end in connected(4, to=5001):
            stack.enter_context(end)
        assert {holder.port for holder in holders(ports=two_ports)} == PORTS
        assert holders(sources=("127.0.0.1", 2), ports=two_ports) == []


@namespaced
def test_ports_of_the_target_itself_are_not_taken():
    with socket.create_server((TARGET, 40002)):
        assert holders(ports=range(40002, 40003)) == []
        assert [holder.port for holder in holders()] == [40002]


@pytest.mark.parametrize(("first", "count", "is_member"), [("127.0.0.1", 1, [1, 0, 0]), ("127.0.0.1", 9, [1, 1, 0])])
def test_addresses_are_counted_up_from_the_first(first, count, is_member):
    addresses = [b"\x7f\0\0\1", b"\x7f\0\0\x09", b"\x7f\0\0\x0a"]
    packed = np.array([address.ljust(16, b"\0") for address in addresses], "V16")
    assert taken_ports.is_one_of(packed, first, count).tolist() == is_member


@namespaced
def test_owner_and_state_are_named_and_closed_sockets_are_nobody_s():
    """
    40000 TIME-WAIT    no process any more; the kernel lists it with user 0
    40001 BOUND        this process
    """
    program = f"{socket_owner.PROC.joinpath('self/comm').read_text().strip()}[{os.getpid()}]"
    with socket.create_server((TARGET, 5000)) as server, ExitStack() as stack:
        (end,) = connected(1)
        port = end.getsockname()[1]
        end.close()
        server.accept()[0].close()
        other = (PORTS - {port}).pop()
        stack.enter_context(socket.create_server((TARGET, other)))
        assert wait_until(lambda: any(holder.state == "TIME-WAIT" for holder in holders()), 30)
        assert taken_ports.group_by_owner(holders()) == {
            (program, "LISTEN"): [other],
            ("no process", "TIME-WAIT"): [port],
        }
