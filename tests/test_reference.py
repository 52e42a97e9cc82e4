# SPDX-License-Identifier: MIT
"""The bare loop makes exactly the connections that it is asked for; the calibration measures every cost."""

import socket

import numpy as np
import pytest
from namespaced import namespaced

from stress._reference import bare_storm
from stress.lab import counters, host, overhead
from stress.lab.listener import Listener


@pytest.mark.parametrize(("close", "rsts"), [("rst", 100), ("fin", 0), ("disconnect", 100)])
@namespaced(ports=(40000, 40999))
def test_the_bare_loop_makes_its_connections(close, rsts):
    with Listener("127.0.0.1", 5000, ports=3) as server:
        server.start()
        before = counters.read()
        assert bare_storm(target_port=5000, target_ports=3, attempts=100, close=close) > 0
        moved = counters.counter_changes(before, counters.read())
        assert server.wait_accepted(100, 5)
    assert (moved["ActiveOpens"], moved["OutRsts"]) == (100, rsts)


@pytest.mark.parametrize("close", ["rst", "fin", "disconnect"])
@namespaced(ports=(40000, 40999), sysctls={"net.ipv4.tcp_max_tw_buckets": "0"})
def test_the_bare_loop_takes_the_ports_that_are_listed(close):
    """Of the listed ports one is taken by a server of ours; the loop comes as far as that one."""
    if close == "disconnect" and not host.has_local_port_range():
        pytest.skip("IP_LOCAL_PORT_RANGE came with Linux 6.3")
    ports = np.array([40007, 40003, 40990], np.uint16)
    with Listener("127.0.0.1", 5000) as server, socket.socket() as taken:
        server.start()
        assert bare_storm(target_port=5000, attempts=2, close=close, port_list=ports[:2]) > 0
        taken.bind(("127.0.0.1", 40990))
        taken.listen()
        with pytest.raises(OSError, match="the bare loop ended early"):
            bare_storm(target_port=5000, attempts=2, close=close, port_list=ports[2:])
        assert server.wait_accepted(2, 5)
        if close != "disconnect":  # bind() takes a source too, where that port is free
            assert bare_storm(target_port=5000, attempts=1, close=close, port_list=ports[2:], source="127.0.0.2") > 0
            assert server.wait_accepted(3, 5)


@namespaced
def test_the_bare_loop_ends_with_the_first_error():
    with pytest.raises(ConnectionRefusedError, match="the bare loop ended early: Connection refused"):
        bare_storm(target_port=5000, attempts=3)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="close must be one of fin, rst, disconnect, not 'shut'"):
        bare_storm(target_port=5000, attempts=1, close="shut")
    for port, ports in ((5000, 0), (65535, 2)):
        with pytest.raises(ValueError, match="target_port must be from 1 to 65535"):
            bare_storm(target_port=port, target_ports=ports, attempts=1)
    with pytest.raises(ValueError, match="'nowhere' is not an IPv4 address"):
        bare_storm(target_port=5000, attempts=1, source="nowhere")


@pytest.mark.parametrize("family", [4, 6])
@namespaced
def test_every_cost_is_measured(family):
    address = "::1" if family == 6 else "127.0.0.1"
    costs = overhead.measure_overhead(address, address, 5000)
    assert min(costs.clock_ns, costs.getsockname_ns, costs.record_ns, costs.tcp_info_ns, costs.bind_ns) > 0
    assert costs.clock_ns < costs.getsockname_ns < costs.tcp_info_ns
