# SPDX-License-Identifier: MIT
"""The census, on sockets in every TCP state, compared with the list of pyroute2."""

import socket
import struct
from contextlib import ExitStack

import pytest
from namespaced import namespaced

from stress.lab import census
from stress.lab.wait import wait_until

LOOPBACK = {4: "127.0.0.1", 6: "::1"}
both_families = pytest.mark.parametrize("family", [4, 6])


def deafen(end):
    """Make a socket drop every segment that comes: a classic BPF filter that keeps 0 bytes."""
    import ctypes

    code = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))
    end.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HP", 1, ctypes.addressof(code)))


def vanish(end):
    """Free a socket and its port without a segment to the peer, which stays as it is (TCP_REPAIR, tcp_disconnect())."""
    end.setsockopt(socket.IPPROTO_TCP, 19, 1)
    end.close()


class Network(ExitStack):
    """A server on port 5000, and clients on the ports they ask for."""

    def __init__(self, family):
        super().__init__()
        self.address = LOOPBACK[family]
        self.domain = socket.AF_INET6 if family == 6 else socket.AF_INET
        self.server = self.listen(5000)

    def listen(self, port):
        return self.enter_context(socket.create_server((self.address, port), family=self.domain))

    def client(self, port, *, to=5000, deaf=False):
        client = self.enter_context(socket.socket(self.domain))
        client.setblocking(False)
        if deaf:
            deafen(client)
        client.bind((self.address, port))
        client.connect_ex((self.address, to))
        return client

    def pair(self, port):
        client = self.client(port)
        accepted, _ = self.server.accept()
        return client, self.enter_context(accepted)


def states(family, **ports):
    """Return (state, local port, remote port) of every socket but listeners."""
    return sorted(entry[0:5:2] for entry in census.iterate_sockets(family, **ports) if entry.state != "LISTEN")


def becomes(family, *expected):
    """Wait until the sockets' states are these, for closing handshakes need a moment."""
    wait_until(lambda: states(family) == sorted(expected), 2)
    assert states(family) == sorted(expected)


@both_families
@namespaced
def test_states_of_connections_that_are_heard(family):
    """
    40000 ESTABLISHED  <->  5000 ESTABLISHED
    40001 FIN-WAIT-2    ->  5000 CLOSE-WAIT
    40002 TIME-WAIT    <->  (closed)
    40003 SYN-SENT      ->  5000 SYN-RECEIVED      the client drops the SYN-ACK
    """
    with Network(family) as network:
        network.pair(40000)
        network.pair(40001)[0].close()
        for end in network.pair(40002):
            end.close()
        network.client(40003, deaf=True)
        becomes(
            family,
            ("ESTABLISHED", 40000, 5000),
            ("ESTABLISHED", 5000, 40000),
            ("FIN-WAIT-2", 40001, 5000),
            ("CLOSE-WAIT", 5000, 40001),
            ("TIME-WAIT", 40002, 5000),
            ("SYN-SENT", 40003, 5000),
            ("SYN-RECEIVED", 5000, 40003),
        )
        assert census.take_census(family, range(5000, 5001)) == {
            "client": {"ESTABLISHED": 1, "FIN-WAIT-2": 1, "SYN-SENT": 1, "TIME-WAIT": 1},
            "server": {"CLOSE-WAIT": 1, "ESTABLISHED": 1, "LISTEN": 1, "SYN-RECEIVED": 1},
        }


@both_families
@namespaced
def test_states_of_connections_that_are_not_heard(family):
    """
    40000 FIN-WAIT-1  x->  5000 ESTABLISHED       the server drops the FIN
    40001 CLOSING    x-x>  5000 FIN-WAIT-1        the server drops the FIN and the ACK, and sends its own FIN
    40002 FIN-WAIT-2 <-x   5000 LAST-ACK          the client drops the FIN
    40003 SYN-SENT    x->  5001 LISTEN            the server drops the SYN
    """
    with Network(family) as network:
        client, server = network.pair(40002)
        client.shutdown(socket.SHUT_WR)
        becomes(family, ("FIN-WAIT-2", 40002, 5000), ("CLOSE-WAIT", 5000, 40002))
        deafen(client)
        server.shutdown(socket.SHUT_WR)

        client, server = network.pair(40000)
        deafen(server)
        client.shutdown(socket.SHUT_WR)

        client, server = network.pair(40001)
        deafen(server)
        client.shutdown(socket.SHUT_WR)
        server.shutdown(socket.SHUT_WR)

        deafen(network.listen(5001))
        network.client(40003, to=5001)
        becomes(
            family,
            ("FIN-WAIT-1", 40000, 5000),
            ("ESTABLISHED", 5000, 40000),
            ("CLOSING", 40001, 5000),
            ("FIN-WAIT-1", 5000, 40001),
            ("FIN-WAIT-2", 40002, 5000),
            ("LAST-ACK", 5000, 40002),
            ("SYN-SENT", 40003, 5001),
        )


@both_families
@namespaced
def test_pyroute2_lists_the_same(family):
    from pyroute2 import DiagSocket

    with Network(family) as network:
        network.pair(40000)
        network.pair(40001)[0].close()
        network.client(40002, deaf=True)
        network.client(40003)  # waits to be accepted
        wait_until(lambda: ("FIN-WAIT-2", 40001, 5000) in states(family), 2)
        ours = sorted(census.iterate_sockets(family))
        with DiagSocket() as diag:
            theirs = sorted(
                census.Socket(
                    census.STATES[message["idiag_state"]],
                    message["idiag_src"],
                    message["idiag_sport"],
                    message["idiag_dst"],
                    message["idiag_dport"],
                    message["idiag_rqueue"],
                )
                for message in diag.get_sock_stats(family=network.domain)
            )
    assert len(ours) == 9  # a listener and four connections of two ends
    assert ours == theirs


@both_families
@namespaced
def test_sockets_are_chosen_by_port_and_state(family):
    with Network(family) as network:
        network.listen(5001)
        network.pair(40000)
        network.pair(40001)[0].close()
        network.client(40002, to=5001)
        assert states(family, local_port=40000) == [("ESTABLISHED", 40000, 5000)]
        assert states(family, remote_port=40001) == [("CLOSE-WAIT", 5000, 40001)]
        assert states(family, local_port=5001, remote_port=40002) == [("ESTABLISHED", 5001, 40002)]
        assert states(family, local_port=40000, remote_port=5001) == []
        assert [entry.remote_port for entry in census.iterate_sockets(family, ["CLOSE-WAIT", "TIME-WAIT"])] == [40001]
        assert sorted(entry.local_port for entry in census.iterate_sockets(family, ["LISTEN"])) == [5000, 5001]
        assert census.take_census(family, range(5001, 5002)) == {
            "client": {"ESTABLISHED": 1},
            "server": {"ESTABLISHED": 1, "LISTEN": 1},
        }


@both_families
@namespaced
def test_the_other_family_and_an_empty_network_show_nothing(family):
    with Network(family) as network:
        network.pair(40000)
        assert list(census.iterate_sockets(10 - family)) == []
        assert census.take_census(10 - family, range(5000, 5001)) == {"client": {}, "server": {}}


@both_families
@namespaced
def test_a_listener_s_receive_queue_is_its_accept_queue(family):
    with Network(family) as network:
        for waiting, port in enumerate(range(40000, 40004), start=1):
            network.client(port)
            (listener,) = census.iterate_sockets(family, ["LISTEN"])
            assert (listener.local_address, listener.local_port) == (LOOPBACK[family], 5000)
            assert (listener.remote_port, listener.receive_queue) == (0, waiting)
        network.server.accept()[0].close()
        (listener,) = census.iterate_sockets(family, ["LISTEN"])
        assert listener.receive_queue == 3


@namespaced(ports=(20000, 32767))
def test_a_listing_longer_than_one_message_is_whole():
    """2,000 connections are 4,000 sockets of about 100 bytes each: many netlink messages."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < 4200:
        pytest.skip(f"needs 4,200 descriptors, and one process may have {hard} (ulimit -n)")
    with Network(4) as network:
        for port in range(20000, 22000):
            network.pair(port)
        assert [row[2] for row in states(4, local_port=5000)] == list(range(20000, 22000))
        assert len(states(4)) == 4000
