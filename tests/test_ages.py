# SPDX-License-Identifier: MIT
"""Ages of real sockets in each state: the time since the last segment from the peer."""

import socket
import time

import pytest
from namespaced import namespaced
from test_census import Network, becomes, both_families, vanish

from stress.lab import ages, census, counters, sysctl

ASLEEP_S = 0.3
SLACK_MS = 100  # less than a third of the sleep: what was before it and what came after are told apart


def ages_by_port(family, **options):
    """Return state and age of each socket of the server, by its peer's port."""
    sockets = census.list_server_sockets(family, range(5000, 5001))
    states = [census.state_name(state) for state in sockets["state"].tolist()]
    ages_ms = ages.read_ages_ms(sockets, **options).tolist()
    return dict(zip(sockets["remote_port"].tolist(), zip(states, ages_ms, strict=True), strict=True))


def is_old(age_ms):
    """Return whether the last segment came before the test slept."""
    return age_ms >= ASLEEP_S * 1000 - SLACK_MS


@both_families
@namespaced
def test_data_and_fin_make_a_socket_young_and_sleep_makes_it_old(family):
    """40000 and 40001 are silent; of 40001 a FIN comes after the sleep, of 40002 data that acknowledge nothing new."""
    with Network(family) as network:
        silent, _ = network.pair(40000)
        closing, _ = network.pair(40001)
        talking, _ = network.pair(40002)
        time.sleep(ASLEEP_S)
        closing.close()
        for _ in range(3):  # tcp_rcv_established() takes the fast path with these, and does not call tcp_ack()
            talking.send(b"data")
        becomes_old_and_young = ages_by_port(family)
        assert silent.fileno() >= 0
    assert {port: (state, is_old(age)) for port, (state, age) in becomes_old_and_young.items()} == {
        40000: ("ESTABLISHED", True),
        40001: ("CLOSE-WAIT", False),
        40002: ("ESTABLISHED", False),
    }


@both_families
@namespaced
def test_segments_that_tcp_does_not_accept_do_not_count(family):
    """A SYN on the 4-tuple of an old socket is answered by a challenge ACK, and the socket stays as old as it was."""
    with Network(family) as network:
        client, _ = network.pair(40000)
        vanish(client)
        time.sleep(ASLEEP_S)
        before = counters.read()
        network.client(40000, deaf=True)
        assert counters.read()["TCPSYNChallenge"] - before["TCPSYNChallenge"] == 1
        state, age_ms = ages_by_port(family)[40000]
        assert state == "ESTABLISHED"
        assert is_old(age_ms)


@both_families
@namespaced
def test_time_wait_is_as_old_as_its_timer_says(family):
    with Network(family) as network:
        client, accepted = network.pair(40000)
        accepted.close()  # the server closes first: TIME-WAIT is its own
        client.close()
        becomes(family, ("TIME-WAIT", 5000, 40000))
        time.sleep(ASLEEP_S)
        state, age_ms = ages_by_port(family)[40000]
        assert state == "TIME-WAIT"
        assert ASLEEP_S * 1000 - SLACK_MS <= age_ms < ages.TCP_TIMEWAIT_LEN_MS


@both_families
@namespaced
def test_the_age_of_a_half_open_socket_and_of_a_mini_socket_in_fin_wait_2_is_not_known(family):
    sysctl.write("net.ipv4.tcp_fin_timeout", "30")
    with Network(family) as network:
        network.client(40000, deaf=True)
        _, accepted = network.pair(40001)
        accepted.close()
        becomes(
            family,
            ("SYN-SENT", 40000, 5000),
            ("SYN-RECEIVED", 5000, 40000),
            ("CLOSE-WAIT", 40001, 5000),
            ("FIN-WAIT-2", 5000, 40001),
        )
        assert ages_by_port(family) == {40000: ("SYN-RECEIVED", -1), 40001: ("FIN-WAIT-2", -1)}


@namespaced
def test_sockets_of_a_dual_stack_listener_have_ages_too():
    with (
        socket.create_server(("::", 5000), family=socket.AF_INET6, dualstack_ipv6=True) as server,
        socket.create_connection(("127.0.0.1", 5000)),
        server.accept()[0],
    ):
        sockets = census.list_server_sockets(4, range(5000, 5001))
        assert sockets["family"].tolist() == [socket.AF_INET6]
        assert (ages.read_ages_ms(sockets) >= 0).all()


@pytest.mark.parametrize(("limit", "known"), [(0, 0), (2, 2), (3, 3), (100, 3)])
@namespaced
def test_no_more_ages_are_read_than_the_limit_allows(limit, known):
    with Network(4) as network:
        for port in range(40000, 40003):
            network.pair(port)
        assert sum(age_ms >= 0 for _, age_ms in ages_by_port(4, limit=limit).values()) == known


@namespaced
def test_a_socket_that_has_gone_has_no_age_and_no_sockets_have_none():
    with Network(4) as network:
        client, accepted = network.pair(40000)
        sockets = census.list_server_sockets(4, range(5000, 5001))
        assert (ages.read_ages_ms(sockets) >= 0).all()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        accepted.close()
        becomes(4)
        assert ages.read_ages_ms(sockets).tolist() == [-1]
        assert ages.read_ages_ms(sockets[:0]).tolist() == []
