# SPDX-License-Identifier: MIT
"""Which end of a real connection called connect(), by what the kernel counts of its bytes."""

import socket

import numpy as np
import pytest
from namespaced import namespaced
from test_census import LOOPBACK, Network, both_families

from stress.lab import active_open, census, socket_info
from stress.lab.wait import wait_until

MANY = bytes(1_000_000)  # more than both buffers have room for
FASTOPEN = 23  # TCP_FASTOPEN
MSG_FASTOPEN = 0x20000000


def active_ports(family, state):
    """Return the local ports of the sockets in a state, and of which it is sure that they called connect()."""
    ports, active = set(), set()
    for sockets, info in socket_info.dump_informed(family, [state]):
        is_active = active_open.find_active_opens(sockets, info)
        ports |= set(sockets["local_port"].tolist())
        active |= set(sockets["local_port"][is_active].tolist())
    return ports, active


def becomes_active(family, state, ports, active):
    """Wait until the sockets in a state are these, and what is known of them is right."""
    wait_until(lambda: active_ports(family, state) == (ports, active), 30)
    assert active_ports(family, state) == (ports, active)


@both_families
@pytest.mark.parametrize(("to_server", "to_client"), [(0, 0), (1, 0), (0, 1), (10, 5), (200_000, 0), (0, 200_000)])
@namespaced
def test_the_end_that_called_connect_is_known_whatever_was_sent(family, to_server, to_client):
    with Network(family) as network:
        client, served = network.pair(40000)
        for sender, receiver, count in ((client, served, to_server), (served, client, to_client)):
            sender.setblocking(True)
            sender.sendall(bytes(count))
            receiver.setblocking(True)
            received = 0
            while received < count:
                received += len(receiver.recv(count))
        becomes_active(family, "ESTABLISHED", {40000, 5000}, {40000})
        served.shutdown(socket.SHUT_WR)
        becomes_active(family, "CLOSE-WAIT", {40000}, {40000})


@both_families
@namespaced
def test_the_end_that_accepted_is_never_taken_for_the_other(family):
    with Network(family) as network:
        for port in range(40000, 40004):
            client, _ = network.pair(port)
            client.close()
        becomes_active(family, "CLOSE-WAIT", {5000}, set())


@both_families
@namespaced
def test_bytes_on_the_way_and_not_yet_sent_are_taken_off(family):
    """Neither end reads: each has bytes in its queue, sent and not."""
    with Network(family) as network:
        client, served = network.pair(40000)
        served.setblocking(False)
        for end in (client, served):
            end.send(MANY)
        becomes_active(family, "ESTABLISHED", {40000, 5000}, {40000})


@namespaced(sysctls={"net.ipv4.tcp_fastopen": "3"})
def test_data_in_a_syn_is_never_taken_for_an_active_open_of_the_server():
    with socket.create_server((LOOPBACK[4], 5000)) as server:
        server.setsockopt(socket.IPPROTO_TCP, FASTOPEN, 5)
        held = []
        for _ in range(3):  # the first one fetches the cookie
            client = socket.socket()
            client.sendto(b"data", MSG_FASTOPEN, server.getsockname())
            held += [client, server.accept()[0]]
            assert held[-1].recv(4) == b"data"
        own = {end.getsockname()[1] for end in held[::2]}
        becomes_active(4, "ESTABLISHED", own | {5000}, own)
        for end in held:
            end.close()


@namespaced
def test_a_connection_to_itself_made_the_active_open():
    """The simplest simultaneous OPEN, RFC 9293 figure 7: both SYNs are its own."""
    with socket.socket() as itself:
        itself.bind((LOOPBACK[4], 40000))
        itself.connect(itself.getsockname())
        becomes_active(4, "ESTABLISHED", {40000}, {40000})


def test_a_kernel_that_tells_too_little_is_sure_of_none():
    """Before Linux 4.19 the struct is shorter."""
    sockets = np.zeros(2, census.MESSAGE)
    sockets["state"] = census.NUMBERS["ESTABLISHED"]
    data = np.zeros(400, np.uint8)
    short = socket_info.SocketInfo(data, np.array([0, -1]), np.array([200, 0]))
    assert active_open.find_active_opens(sockets, short).tolist() == [False, False]


def test_what_was_acknowledged_after_the_queue_was_read_makes_no_active_open():
    """A server that sent five bytes: the last one was in the queue when that was read, and then acknowledged."""
    sockets = np.zeros(2, census.MESSAGE)
    sockets["state"], sockets["send_queue"] = census.NUMBERS["ESTABLISHED"], [1, 0]
    data = np.zeros(500, np.uint8)
    for place in (0, 250):
        for offset in (active_open.BYTES_ACKED_OFFSET, active_open.BYTES_SENT_OFFSET):
            data[place + offset] = 5
    info = socket_info.SocketInfo(data, np.array([0, 250]), np.array([240, 240]))
    assert active_open.find_active_opens(sockets, info).tolist() == [False, False]
    data[active_open.LAST_ACK_OFFSET] = active_open.STILL_MS
    assert active_open.find_active_opens(sockets, info).tolist() == [True, False]
