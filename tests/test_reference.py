# SPDX-License-Identifier: MIT
"""The bare loop makes exactly the connections that it is asked for; the calibration measures every cost."""

import pytest
from namespaced import namespaced

from stress._reference import bare_storm
from stress.lab import counters, harness
from stress.lab.listener import Listener


@pytest.mark.parametrize(("close", "rsts"), [("rst", 100), ("fin", 0), ("disconnect", 100)])
@namespaced(ports=(40000, 40999))
def test_the_bare_loop_makes_its_connections(close, rsts):
    with Listener("127.0.0.1", 5000) as server:
        server.start()
        before = counters.read()
        assert bare_storm(target_port=5000, attempts=100, close=close) > 0
        moved = counters.change(before, counters.read())
        assert server.wait_accepted(100, 5)
    assert (moved["ActiveOpens"], moved["OutRsts"]) == (100, rsts)


@namespaced
def test_the_bare_loop_ends_with_the_first_error():
    with pytest.raises(ConnectionRefusedError, match="the bare loop ended early: Connection refused"):
        bare_storm(target_port=5000, attempts=3)


def test_an_unknown_close_is_refused():
    with pytest.raises(ValueError, match="close must be one of fin, rst, disconnect, not 'shut'"):
        bare_storm(target_port=5000, attempts=1, close="shut")


@pytest.mark.parametrize("family", [4, 6])
@namespaced
def test_every_cost_is_measured(family):
    costs = harness.measure(family)
    assert min(costs.clock_ns, costs.getsockname_ns, costs.record_ns, costs.tcp_info_ns, costs.bind_ns) > 0
    assert costs.clock_ns < costs.getsockname_ns < costs.tcp_info_ns
