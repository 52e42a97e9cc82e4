# SPDX-License-Identifier: MIT
"""The census, on sockets in every TCP state, compared with the list of pyroute2."""

import os
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
    wait_until(lambda: states(family) == sorted(expected), 30)
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


class DualStack(Network):
    """Clients of IPv4, and a server whose listening sockets are of family 6 and bound to any address."""

    def __init__(self):
        super().__init__(4)

    def listen(self, port):
        return self.enter_context(socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True))


def leak(network, port):
    """Leak a connection of the server: the client closes with FIN, and its port is free."""
    client, _ = network.pair(port)
    client.shutdown(socket.SHUT_WR)
    domain = 6 if network.domain == socket.AF_INET6 else 4
    assert wait_until(lambda: ("FIN-WAIT-2", port, 5000) in states(domain), 30)  # else an RST answers the server's ACK
    vanish(client)


def server_states(family):
    sockets = census.list_server_sockets(family, range(5000, 5001))
    states = [census.state_name(state) for state in sockets["state"].tolist()]
    return dict(zip(sockets["remote_port"].tolist(), states, strict=True))


def cookies(family=4):
    sockets = census.list_server_sockets(family, range(5000, 5001))
    return dict(zip(sockets["remote_port"].tolist(), sockets["cookie"].tolist(), strict=True))


@pytest.mark.parametrize("server", ["IPv4", "IPv6", "IPv4 to a dual stack"])
@namespaced
def test_every_socket_of_the_server_on_a_4_tuple_is_listed_whatever_its_state(server):
    family = 6 if server == "IPv6" else 4
    with DualStack() if "dual" in server else Network(family) as network:
        network.enter_context(socket.socket(network.domain)).bind((network.address, 5001))  # is not connected
        network.client(40008, to=5001)  # is not the server's
        vanish(network.pair(40000)[0])
        leak(network, 40001)
        client, accepted = network.pair(40002)
        accepted.close()
        client.close()
        network.client(40003, deaf=True)
        network.pair(40004)[1].close()
        client, accepted = network.pair(40005)
        deafen(client)
        accepted.shutdown(socket.SHUT_WR)
        client, accepted = network.pair(40006)
        client.shutdown(socket.SHUT_WR)
        assert wait_until(lambda: server_states(family).get(40006) == "CLOSE-WAIT", 30)
        deafen(client)
        accepted.shutdown(socket.SHUT_WR)
        client, accepted = network.pair(40007)
        deafen(client)
        accepted.shutdown(socket.SHUT_WR)
        client.shutdown(socket.SHUT_WR)
        expected = {
            40000: "ESTABLISHED",
            40001: "CLOSE-WAIT",
            40002: "TIME-WAIT",
            40003: "SYN-RECEIVED",
            40004: "FIN-WAIT-2",
            40005: "FIN-WAIT-1",
            40006: "LAST-ACK",
            40007: "CLOSING",
        }
        wait_until(lambda: server_states(family) == expected, 30)
        assert server_states(family) == expected
        assert server_states(10 - family) == {}

        sockets = census.list_server_sockets(family, range(5000, 5001))
        address = socket.inet_pton(network.domain, network.address).ljust(16, b"\0")
        assert {bytes(end) for field in ("local_address", "remote_address") for end in sockets[field]} == {address}
        assert set(sockets["local_port"].tolist()) == {5000}
        of_port = dict(zip(sockets["remote_port"].tolist(), sockets, strict=True))
        assert 0 < of_port[40002]["expires_ms"] <= 60_000  # the timer of TIME-WAIT
        assert of_port[40002]["timer"] == 3
        assert of_port[40007]["inode"] == os.fstat(accepted.fileno()).st_ino
        assert [of_port[port]["inode"] for port in (40002, 40003, 40004)] == [0, 0, 0]  # no descriptor any more, or yet


@namespaced
def test_a_dual_stack_server_s_ipv6_clients_are_of_family_6_alone():
    with DualStack() as network:
        network.pair(40000)
        client = network.enter_context(socket.socket(socket.AF_INET6))
        client.bind(("::1", 40001))
        client.connect(("::1", 5000))
        assert server_states(4) == {40000: "ESTABLISHED"}
        assert server_states(6) == {40001: "ESTABLISHED"}


@namespaced
def test_several_ports_of_a_server_are_listed_and_a_client_on_one_of_them_too():
    """A socket connected to itself has the server's port, and is its own peer."""
    with Network(4) as network:
        for port in range(5001, 5004):
            network.listen(port)
            network.client(40000, to=port) if port == 5001 else network.client(35000 + port, to=port)
        oneself = network.client(5004, to=5004)
        assert oneself.getpeername() == oneself.getsockname()
        sockets = census.list_server_sockets(4, range(5001, 5005))
        ends = sorted(sockets[["local_port", "remote_port"]].tolist())
        assert ends == [(5001, 40000), (5002, 40002), (5003, 40003), (5004, 5004)]


@both_families
@namespaced
def test_a_cookie_is_a_socket_s_own_from_its_first_syn_until_it_is_freed(family):
    """
    40000 SYN-RECEIVED, ESTABLISHED, CLOSE-WAIT, LAST-ACK
    40001 ESTABLISHED, FIN-WAIT-2, TIME-WAIT, though the last two are mini-sockets
    """
    with Network(family) as network:
        seen = []

        def reach(port, state, limit_s=2):
            assert wait_until(lambda: server_states(family)[port] == state, limit_s)
            seen.extend([cookies(family), cookies(family)])

        client = network.client(40000, deaf=True)
        other, other_accepted = network.pair(40001)
        reach(40000, "SYN-RECEIVED")
        client.setsockopt(socket.SOL_SOCKET, 27, 0)  # SO_DETACH_FILTER: the SYN-ACK sent again is heard after 1 s
        reach(40000, "ESTABLISHED", 5)
        accepted = network.enter_context(network.server.accept()[0])
        client.shutdown(socket.SHUT_WR)
        reach(40000, "CLOSE-WAIT")
        deafen(client)
        accepted.shutdown(socket.SHUT_WR)
        reach(40000, "LAST-ACK")
        other_accepted.close()
        reach(40001, "FIN-WAIT-2")
        other.close()
        reach(40001, "TIME-WAIT")
        assert all(entry == seen[0] for entry in seen)
        assert len(set(seen[0].values())) == 2


@pytest.mark.parametrize("server", ["IPv4", "IPv6", "IPv4 to a dual stack"])
@namespaced
def test_a_new_leak_on_the_same_4_tuple_has_a_new_cookie(server):
    """The second client meets the first one's socket, connects after two jiffies, and leaves a socket of its own."""
    family = 6 if server == "IPv6" else 4
    with DualStack() if "dual" in server else Network(family) as network:
        leak(network, 40000)
        (first,) = cookies(family).values()
        leak(network, 40000)  # its connect() returns when the old socket has gone
        assert server_states(family) == {40000: "CLOSE-WAIT"}
        (second,) = cookies(family).values()
        assert first != second


@both_families
@namespaced
def test_pyroute2_lists_the_same(family):
    from pyroute2 import DiagSocket

    with Network(family) as network:
        network.pair(40000)
        network.pair(40001)[0].close()
        network.client(40002, deaf=True)
        network.client(40003)  # waits to be accepted
        wait_until(lambda: ("FIN-WAIT-2", 40001, 5000) in states(family), 30)
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
