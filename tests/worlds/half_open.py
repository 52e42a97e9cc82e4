# SPDX-License-Identifier: MIT
"""Mixtures of half-open connections and full SYN queues with causes that share counters or latencies."""

from stress.model.mine import MineState
from stress.model.plan import Serve
from stress.model.world import Segment, Topology
from stress.storm.scenario import SHORT_LADDER
from worlds.mixtures import SYN, UPPER, drop, in_range_and_timed_out, make_plan, mixture
from worlds.truth import Part, is_at_once, late, on_ports


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


@mixture("Half-open connections fill the SYN queue of one port, and nobody accepts on another; cookies are off.")
def syn_queue_and_accept_queue(site):
    plan = make_plan(
        Topology.TWO_CLIENTS,
        fillers=100,
        backlog=60,
        serve=Serve.NOBODY,
        target_ports=2,
        window=240,
        sysctls=SHORT_LADDER | {"net.ipv4.tcp_syncookies": "0"},
    )
    first = Part(("syn_queue",), lambda run: ~is_at_once(run) & (run.attempts["address"] == 0))
    site.carry_out(plan, first, late("accept_queue"))


@mixture("Half-open connections fill the SYN queue, cookies are off, and a router loses the SYNs of 60 of 120 ports.")
def syn_queue_and_loss(site):
    rule = drop("lost", UPPER, SYN, stops=Segment.SYN)
    plan = make_plan(
        Topology.TWO_CLIENTS,
        rule,
        fillers=100,
        backlog=60,
        sysctls=SHORT_LADDER | {"net.ipv4.tcp_syncookies": "0"},
    )
    site.carry_out(plan, on_ports(UPPER, "lost_on_the_way"), late("syn_queue"))
