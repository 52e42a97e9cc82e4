# SPDX-License-Identifier: MIT
"""Closed connections are forgotten between the addresses and ports of a storm, and nowhere else."""

import socket

import pytest
from namespaced import namespaced

from stress.lab import census, wait
from stress.lab.closed_connections import forget_closed

ADDRESSES = {4: ("127.0.0.1", "127.0.0.2"), 6: ("::1", "::1")}


def leave_time_wait(source, target, port):
    """Make a connection whose client closes first; return the client's port."""
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    with socket.create_server((target, port), family=family) as server:
        with socket.create_connection((target, port), source_address=(source, 0)) as client:
            accepted, _ = server.accept()
            own = client.getsockname()[1]
        with accepted:
            assert accepted.recv(1) == b""
    return own


def ports_in_time_wait(family):
    return sorted(int(row["local_port"]) for row in census.list_sockets(family, ["TIME-WAIT"]))


@pytest.mark.parametrize("family", [4, 6])
@namespaced(ports=(40000, 40099))
def test_only_those_of_the_storm_are_forgotten(family):
    source, target = ADDRESSES[family]
    leave_time_wait(source, target, 5000)
    leave_time_wait(source, target, 5001)
    other = leave_time_wait(source, target, 5002)
    assert wait.wait_until(lambda: len(ports_in_time_wait(family)) == 3, 30)
    assert forget_closed(["192.0.2.1" if family == 4 else "2001:db8::1"], target, range(5000, 5002)) == 0
    assert forget_closed([source], target, range(5000, 5002)) == 2
    assert ports_in_time_wait(family) == [other]
