# SPDX-License-Identifier: MIT
"""The catalogue's scenarios say of themselves what the other rooms rely on."""

import pytest

from stress.model.outcome import Cause
from stress.storm.catalogue import SCENARIOS

OPTIONS = {Cause.ECN_DROPPED, Cause.MPTCP_DROPPED, Cause.TFO_DROPPED}
DROPPED = {Cause.LOST_ON_THE_WAY, Cause.DROPPED_BY_HOST, *OPTIONS}  # some or all SYNs
GIVEN_UP = {
    Cause.ACCEPT_QUEUE,
    Cause.FD_EXHAUSTION,
    Cause.RST_DROPPED,
    Cause.CHALLENGE_DROPPED,
    Cause.SNAT_EXHAUSTED,
    Cause.TIME_WAIT,
    Cause.SYN_QUEUE,
    Cause.CONNTRACK_FULL,
}
WAITED = {Cause.CHALLENGE_LIMITED, Cause.CHALLENGE_INTERCEPTED, Cause.SNAT_CLASH}
UNREACHED = {Cause.NO_ROUTE_BACK, Cause.REJECTED_BY_ICMP, Cause.RP_FILTER, Cause.MARTIAN}  # paths


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_whose_attempts_end_with_the_ladder_says_that_they_wait_for_it(name):
    """The estimate of a suite's duration depends on it."""
    scenario = SCENARIOS[name]
    assert scenario.waits_for_give_up == any("give_up}" in text for text in scenario.expect.values())
    if not scenario.causes & DROPPED:
        assert scenario.waits_for_give_up == bool(scenario.causes & (GIVEN_UP | UNREACHED))
        assert (scenario.waits_s > 0) == bool(scenario.causes & (WAITED | {Cause.NO_NEIGHBOUR}))
