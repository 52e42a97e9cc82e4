# SPDX-License-Identifier: MIT
"""Mixtures of half-open connections with causes that share their state, their counters or their latencies."""

from stress.model.mine import MineState
from stress.model.plan import Serve
from stress.model.world import Segment, Topology
from worlds.mixtures import SYN, UPPER, drop, in_range_and_timed_out, make_plan, mixture
from worlds.truth import Part, late


@mixture("60 of 120 ports have an ESTABLISHED socket, and a router loses every SYN of 20 others.")
def half_open_and_loss(site):
    lost = UPPER[:20]
    rule = drop("lost", lost, SYN, stops=Segment.SYN)
    plan = make_plan(Topology.ROUTER, rule, mines=60, mine_state=MineState.ESTABLISHED)
    site.carry_out(
        plan, Part(("lost_on_the_way",), in_range_and_timed_out(lost)), late("stale_socket", "lost_on_the_way")
    )


@mixture("40 of 120 ports have a half-open request, and nobody accepts: the queue holds 61.")
def requests_and_accept_queue(site):
    plan = make_plan(
        Topology.LINK, mines=40, mine_state=MineState.SYN_RECEIVED, serve=Serve.NOBODY, backlog=60, window=30
    )
    site.carry_out(plan, late("stale_socket", "accept_queue"))
