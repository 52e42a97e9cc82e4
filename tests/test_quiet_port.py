# SPDX-License-Identifier: MIT
"""A control connection leaves from a port that no storm uses, and is made also where none is free."""

import asyncio
import socket

import pytest
from namespaced import FOUR_PORTS, namespaced

from stress.lab import reachability
from stress.lab.quiet_port import QuietLoop, bind_quietly, connect_quietly

LOW, HIGH = FOUR_PORTS


@namespaced
def test_a_control_connection_leaves_from_a_port_outside_of_the_range():
    with socket.create_server(("127.0.0.1", 22)) as server:
        seen = set()
        for _ in range(3):
            with connect_quietly("127.0.0.1", 22, 5) as connected:
                accepted, (_, port) = server.accept()
                assert connected.getsockname()[1] == port
                connected.close()  # first, so that TIME_WAIT holds this port
                accepted.close()
                seen.add(port)
        assert len(seen) == 3
        assert not [port for port in seen if LOW <= port <= HIGH]
    with pytest.raises(ConnectionRefusedError):
        connect_quietly("127.0.0.1", 23, 5)


@namespaced
def test_so_does_one_of_an_event_loop():
    async def connect():
        _, writer = await asyncio.open_connection("::1", 22)
        name = writer.get_extra_info("sockname")
        writer.close()
        return name[1]

    with socket.create_server(("::1", 22), family=socket.AF_INET6):
        loop = QuietLoop()
        try:
            assert not LOW <= loop.run_until_complete(connect()) <= HIGH
        finally:
            loop.close()


@namespaced
def test_where_no_such_port_is_free_the_kernel_chooses():
    reachability.NEIGHBOURS = 1  # in the child process of this test
    with socket.create_server(("", LOW - 1)), socket.create_server(("", HIGH + 1)), socket.socket() as unbound:
        bind_quietly(unbound)
        assert LOW <= unbound.getsockname()[1] <= HIGH
