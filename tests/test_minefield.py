# SPDX-License-Identifier: MIT
"""The minefield: exactly the mines that were asked for, on ports that are free again."""

import errno
import resource
import socket

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from namespaced import FOUR_PORTS, namespaced

from stress._fastconnect import now_ns, storm
from stress.lab import census, counters, sysctl
from stress.lab.listener import Listener
from stress.model.attempt import allocate_attempts
from stress.model.errors import LabError
from stress.model.mine import Isn, Laying, Release
from stress.model.plan import Plan
from stress.storm import mine_connections, minefield
from stress.storm.check import plan_rules

LOOPBACK = {4: "127.0.0.1", 6: "::1"}
PLACES = np.array([40002, 40000, 40003], np.uint16)
NOFILE = 1024
FREEING = [release for release in Release if release is not Release.KEEP]
both_families = pytest.mark.parametrize("family", [4, 6])


def plan_for(family=4, release=Release.NO_BUCKETS, **changes):
    address = {"source": LOOPBACK[family], "target": LOOPBACK[family]}
    return Plan(scenario="test", family=family, release=release, **(address | changes))


def connect_from(port, family):
    """Make one attempt from a port and return its record."""
    record = allocate_attempts(1)
    storm(
        record,
        target=LOOPBACK[family],
        target_port=5000,
        source=LOOPBACK[family],
        ports="list",
        port_list=np.array([port], np.uint16),
        attempts=1,
        epoch_ns=now_ns(),
    )
    return record[0]


@pytest.mark.parametrize("release", FREEING)
@both_families
@namespaced
def test_mines_are_laid_on_exactly_these_ports_and_these_are_free_again(family, release):
    """
    40000 (free)  ->  5000 CLOSE-WAIT
    40001 (free)      -                    no mine here
    40002 (free)  ->  5000 CLOSE-WAIT
    40003 (free)  ->  5000 CLOSE-WAIT
    """
    plan = plan_for(family, release)
    if release is Release.FIN_TIMEOUT:
        sysctl.write("net.ipv4.tcp_fin_timeout", "1")  # the other ways do not need it
    buckets = sysctl.read(minefield.TW_BUCKETS)
    with Listener(LOOPBACK[family], 5000) as server:
        minefield.lay_mines(plan, server, PLACES, NOFILE)
        mines = minefield.list_mines(plan)
        assert mines["local_port"].tolist() == [40000, 40002, 40003]
        assert not mines["address"].any()
        assert census.take_census(family, range(5000, 5001)) == {"client": {}, "server": {"CLOSE-WAIT": 3, "LISTEN": 1}}
        assert sysctl.read(minefield.TW_BUCKETS) == buckets

        server.start()
        for port, retransmits in ((40001, 0), (40002, 1), (40002, 0), (40000, 1)):
            before = counters.read()
            attempt = connect_from(port, family)
            moved = counters.counter_changes(before, counters.read())
            assert (attempt["error"], attempt["retransmits"]) == (0, retransmits)
            assert moved["TCPSYNChallenge"] == moved["TCPChallengeACK"] == moved["TCPSynRetrans"] == retransmits
        assert minefield.list_mines(plan)["local_port"].tolist() == [40003]


@both_families
@namespaced
def test_mines_whose_ports_are_kept_stay_in_fin_wait_2(family):
    plan = plan_for(family, Release.KEEP)
    with Listener(LOOPBACK[family], 5000) as server:
        minefield.lay_mines(plan, server, PLACES, NOFILE)
        assert census.take_census(family, range(5000, 5001)) == {
            "client": {"FIN-WAIT-2": 3},
            "server": {"CLOSE-WAIT": 3, "LISTEN": 1},
        }
        assert connect_from(40000, family)["error"] == errno.EADDRINUSE


@both_families
@namespaced(ports=(40000, 40031))
def test_clients_mine_both_parities(family):
    """connect() takes the parity of the range's low end, bind() to port 0 the other."""
    plan = plan_for(family, Release.LINGER2, laying=Laying.CLIENTS)
    with Listener(LOOPBACK[family], 5000) as server:
        minefield.lay_mines(plan, server, np.arange(12), NOFILE)
        ports = minefield.list_mines(plan)["local_port"]
    assert (len(ports), int((ports % 2 == 0).sum())) == (12, 6)


@both_families
@namespaced(ports=(40000, 40031))
def test_sequence_numbers_of_our_own_make_mines_like_others(family):
    plan = plan_for(family, isn=Isn.RANDOM)
    with Listener(LOOPBACK[family], 5000) as server:
        minefield.lay_mines(plan, server, np.arange(40000, 40032), NOFILE)
        server.start()
        retransmits = [connect_from(port, family)["retransmits"] for port in range(40000, 40032)]
        assert len(minefield.list_mines(plan)) == 0
    assert retransmits == [1] * 32


@namespaced
def test_one_holder_may_not_hold_them_all():
    with Listener("127.0.0.1", 5000) as server:
        minefield.lay_mines(plan_for(), server, PLACES, plan_rules.DESCRIPTORS_RESERVED + 2)
        assert sorted(process.report[1] for process in server.processes) == [1, 2]  # leaked


@namespaced(sysctls={"net.ipv4.tcp_fin_timeout": "1"})
def test_another_source_s_leaked_socket_is_no_mine_of_this_storm():
    """127.0.0.9:40001 -> 5000 CLOSE-WAIT is not on a 4-tuple that 127.0.0.1 will use."""
    with Listener("127.0.0.1", 5000) as server:
        server.start(leak=1, then="leave")
        socket.create_connection(("127.0.0.1", 5000), source_address=("127.0.0.9", 40001)).close()
        assert server.wait_accepted(1, 5)
        minefield.lay_mines(plan_for(), server, PLACES, NOFILE)
        mines = minefield.list_mines(plan_for())
        assert mines["local_port"].tolist() == [40000, 40002, 40003]


@namespaced
def test_an_address_may_be_written_in_full():
    """The census writes ::1, whatever the plan wrote."""
    plan = plan_for(6, source="0:0:0:0:0:0:0:1")
    with Listener("::1", 5000) as server:
        minefield.lay_mines(plan, server, PLACES, NOFILE)
        assert minefield.list_mines(plan)["local_port"].tolist() == [40000, 40002, 40003]


@namespaced
def test_a_port_that_somebody_holds_cannot_be_mined():
    buckets = sysctl.read(minefield.TW_BUCKETS)
    with Listener("127.0.0.1", 5000) as server, socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 40002))
        with pytest.raises(LabError, match=r"1 of 3 connections .* failed, the first from port 40002 with EADDRINUSE"):
            minefield.lay_mines(plan_for(), server, PLACES, NOFILE)
    assert sysctl.read(minefield.TW_BUCKETS) == buckets


@namespaced
def test_a_mine_that_nobody_asked_for_is_noticed():
    with Listener("127.0.0.1", 5000) as server:
        minefield.lay_mines(plan_for(), server, PLACES[:1], NOFILE)
        with pytest.raises(
            LabError, match=r"2 mines were laid, but the census finds 3 CLOSE-WAIT .* misses 0, and 1 are not ours"
        ):
            minefield.lay_mines(plan_for(), server, PLACES[1:], NOFILE)


@namespaced(ports=(40000, 40511))
def test_a_holder_without_room_is_named_with_its_error():
    """512 mines are to be held by one process that may have 256 descriptors."""
    minefield.ACCEPT_LIMIT_S = 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    with (
        Listener("127.0.0.1", 5000) as server,
        pytest.raises(LabError, match=r"accepted 2\d\d of 512 connections .* its errors: \{'EMFILE': \d+\}"),
    ):
        minefield.lay_mines(plan_for(), server, np.arange(40000, 40512, dtype=np.uint16), NOFILE)


@namespaced(sysctls={"net.ipv4.tcp_fin_timeout": "60"})
def test_a_port_that_does_not_become_free_is_named_with_its_state():
    """The client's side waits 60 s in FIN_WAIT_2; the lab expects none of it."""
    minefield.RELEASE_MARGIN_S = 0.3
    with Listener("127.0.0.1", 5000) as server:
        server.start(leak=-1)
        mine_connections.connect_and_close(plan_for(), "list", PLACES)
        with pytest.raises(LabError, match=r"not free after 0\.3 s: 3 in FIN-WAIT-2;"):
            minefield.wait_for_client_ports(plan_for(), 0)


@pytest.mark.parametrize(
    ("release", "expected_s"), [(Release.FIN_TIMEOUT, 7.0), (Release.LINGER2, 1.0), (Release.NO_BUCKETS, 1.0)]
)
@namespaced(sysctls={"net.ipv4.tcp_fin_timeout": "7"})
def test_only_the_article_s_way_waits_for_the_setting(release, expected_s):
    assert minefield.fin_wait_2_s(plan_for(release=release)) == expected_s


@pytest.mark.parametrize("release", Release)
@namespaced
def test_the_kernel_s_limit_of_timewait_sockets_is_restored_after_a_failure(release):
    sysctl.write(minefield.TW_BUCKETS, "1234")
    with pytest.raises(ZeroDivisionError), minefield.free_client_ports_at_once(plan_for(release=release)):  # noqa: PT012
        assert sysctl.read(minefield.TW_BUCKETS) == ("0" if release is Release.NO_BUCKETS else "1234")
        raise ZeroDivisionError
    assert sysctl.read(minefield.TW_BUCKETS) == "1234"


@given(st.integers(0, 100_000), st.integers(1, 20_000))
def test_shares_hold_all_mines_in_as_few_processes_as_may(mines, capacity):
    parts = minefield.split_among_processes(mines, capacity)
    assert sum(parts) == mines
    assert len(parts) == -(-mines // capacity)
    assert all(1 <= part <= capacity for part in parts)


def test_four_ports_are_enough_for_these_tests():
    assert FOUR_PORTS[0] <= PLACES.min() <= PLACES.max() <= FOUR_PORTS[1]
