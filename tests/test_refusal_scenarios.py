# SPDX-License-Identifier: MIT
"""Scenarios of paths and refusals: the counters that prove them, as equations that hold without a remainder."""

import errno

import numpy as np
import pytest
from scenario_runs import run_of

from stress.model.world import CLIENT, SERVER

pytestmark = pytest.mark.timeout(300)  # the first test carries out all runs


def acts_of(name):
    """Return the storms of a run by the names of their acts."""
    return {act.storm.act.name: act.storm for act in run_of(name).acts}


def count_syns(storm):
    """Return how many SYNs the attempts of a storm sent."""
    return int((storm.attempts["retransmits"].astype(np.int64) + 1).sum())


@pytest.mark.parametrize("name", ["no-route-back", "no-route-back 6"])
def test_an_answer_without_a_route_is_dropped_by_the_listener(name):
    without, with_it = acts_of(name).values()
    client, server = (without.act.hosts[name].counters for name in (CLIENT, SERVER))
    no_routes = server["Ip6OutNoRoutes" if name.endswith("6") else "IpOutNoRoutes"]
    assert (without.attempts["error"] == errno.ETIMEDOUT).all()
    assert server["ListenDrops"] == no_routes == server["InSegs"] == count_syns(without) == 400
    assert (server["ListenOverflows"], server["TCPReqQFullDrop"], client["InSegs"]) == (0, 0, 0)
    assert (with_it.attempts["error"] == 0).all()
