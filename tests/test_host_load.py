# SPDX-License-Identifier: MIT
"""What a storm on the host's own network stack takes there, and where it is refused."""

import numpy as np
import pytest
from command import connstorm
from namespaced import namespaced
from private_network import network

from stress.lab import sysctl
from stress.model.plan import Close, Plan
from stress.storm.host_load import Table, connection_count, describe_load, load_faults, read_tables
from stress.storm.ports import PortRange

PORTS = PortRange(40_000, 40_999, np.arange(40_000, 41_000, dtype=np.uint16))


@namespaced
def test_a_storm_that_leaves_time_wait_is_held_to_four_fifths_of_what_the_host_has_room_for():
    sysctl.write("net.ipv4.tcp_max_tw_buckets", "1000")
    plan = Plan(scenario="clean", attempts=801, close=Close.FIN, host=True)
    (fault,) = load_faults(plan, PORTS)
    assert fault == (
        "There are 0 sockets in TIME-WAIT of 1,000 (net.ipv4.tcp_max_tw_buckets), and this storm may add 801: more "
        "than 80% of all. Make fewer --attempts, or leave out --host."
    )
    assert list(load_faults(Plan(scenario="clean", attempts=800, close=Close.FIN), PORTS)) == []
    assert list(load_faults(Plan(scenario="clean", attempts=5000, close=Close.RST), PORTS)) == []
    assert "up to 800 sockets in TIME-WAIT more than the 0 of 1,000" in describe_load(
        Plan(scenario="clean", attempts=800, close=Close.FIN), PORTS
    )


@namespaced
def test_conntrack_that_tracks_nothing_is_no_table():
    assert [table.setting for table in read_tables(Plan(scenario="clean", attempts=9), PORTS)] == []


@pytest.mark.parametrize(("used", "more", "is_too_small"), [(700, 100, False), (701, 100, True), (900, 0, False)])
def test_the_last_fifth_of_a_table_is_for_others(used, more, is_too_small):
    assert Table("entries", used, 1000, more, "net.a").is_too_small is is_too_small


def test_there_are_no_more_connections_than_four_tuples_nor_than_a_rate_allows():
    assert connection_count(Plan(scenario="clean", attempts=5000), PORTS) == 1000
    assert connection_count(Plan(scenario="clean", attempts=500), PORTS) == 500
    assert connection_count(Plan(scenario="clean", duration_s=2.0, rate_per_s=100.0), PORTS) == 201


def test_no_more_ports_are_taken_than_attempts_are_made():
    few = Plan(scenario="clean", attempts=50, close=Close.RST, host=True)
    assert describe_load(few, PORTS).startswith("on this host: up to 50 of 1,000 ports at a time")
    many = Plan(scenario="clean", attempts=5000, close=Close.HOLD, host=True)
    assert describe_load(many, PORTS).startswith("on this host: up to 1,000 of 1,000 ports at a time")


def test_it_is_told_before_mines_are_laid_and_not_to_programs(tmp_path):
    storm = ["run", "closewait", "--host", "--mines", 5, "--attempts", 20, "-o", tmp_path]
    with network() as (_, inside):
        told = connstorm(*storm, under=inside)
        silent = connstorm(*storm, "--json", under=inside)
    assert told.returncode == silent.returncode == 0, told.stderr
    lines = [line for line in told.stderr.splitlines() if "on this host: up to" in line or "laying 5 mines" in line]
    assert len(lines) == 2
    assert "on this host: up to 20 of" in lines[0]
    assert "on this host" not in silent.stdout + silent.stderr
