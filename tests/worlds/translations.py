# SPDX-License-Identifier: MIT
"""Mixtures behind a router that translates addresses: what it drops, and what else happens meanwhile."""

from stress.model.mine import MineState
from stress.model.plan import Close, Ports, Serve
from stress.model.world import CLIENT2, ROUTER, FilterRule, Hook, Segment, Topology
from worlds.mixtures import LOWER, RST, SYN, UPPER, drop, make_plan, mixture
from worlds.scenarios import RANGE
from worlds.truth import Part, is_at_once, late, on_ports
from worlds.world import PRIVATE, world

TIME_WAIT = {"mines": 60, "mine_state": MineState.TIME_WAIT, "mines_from": CLIENT2}
LOST_BY_ROUTER = ("snat_clash", "snat_exhausted", "lost_on_the_way")


def masquerade(how=""):
    """Return the rule by which the router gives its own address to what goes to the server."""
    return FilterRule(
        name="masquerade",
        on=ROUTER,
        hook=Hook.POSTROUTING,
        nat=True,
        match='meta l4proto tcp oifname "server"',
        action=f"masquerade {how}".rstrip(),
    )


def started_first(count, *names):
    """State the truth of those of the first attempts that did not connect at once."""

    def select(run):
        return ~is_at_once(run) & (run.attempts["start_ns"] <= sorted(run.attempts["start_ns"])[count - 1])

    return Part(names, select)


@mixture("60 of 120 ports are in TIME_WAIT behind a router, which loses every SYN of 20 others.")
def time_wait_and_loss(site):
    lost = UPPER[:20]
    plan = make_plan(Topology.TWO_CLIENTS, masquerade(), drop("lost", lost, SYN, stops=Segment.SYN), **TIME_WAIT)
    site.carry_out(plan, on_ports(lost, "lost_on_the_way"), late("time_wait"))


@mixture("60 of 120 ports are in TIME_WAIT behind a router, which loses the RSTs of half of the ports.")
def time_wait_and_rst_dropped(site):
    plan = make_plan(Topology.TWO_CLIENTS, masquerade(), drop("no-rst", LOWER, RST, stops=Segment.RST), **TIME_WAIT)
    site.carry_out(plan, on_ports(LOWER, "rst_dropped", "time_wait"), late("time_wait"))


@mixture("60 of 120 ports are in TIME_WAIT behind a router, and nobody accepts.")
def time_wait_and_queue(site):
    plan = make_plan(Topology.TWO_CLIENTS, masquerade(), serve=Serve.NOBODY, backlog=16, window=120, **TIME_WAIT)
    site.carry_out(plan, late("accept_queue", "time_wait"))


@mixture("Two clients race for the same ports of a router, which loses every SYN of half of them.")
def race_and_loss(site):
    plan = make_plan(
        Topology.TWO_CLIENTS,
        masquerade(),
        drop("lost", LOWER, SYN, stops=Segment.SYN),
        sources=2,
        workers=2,
        ports=Ports.SWEEP,
        rate_per_s=400,
    )
    site.carry_out(plan, on_ports(LOWER, "lost_on_the_way"), late("snat_clash", "lost_on_the_way"))


@mixture("Two clients race for 40 ports of a router, and hold their connections.")
def race_and_too_few_ports(site):
    plan = make_plan(
        Topology.TWO_CLIENTS,
        masquerade("to :50000-50039"),
        sources=2,
        workers=2,
        ports=Ports.SWEEP,
        rate_per_s=400,
        close=Close.HOLD,
    )
    site.carry_out(plan, late(*LOST_BY_ROUTER))


@mixture("Nobody accepts, and the router has 40 ports for 120 connections.")
def queue_and_too_few_ports(site):
    plan = make_plan(
        Topology.ROUTER,
        masquerade("to :50000-50039"),
        serve=Serve.NOBODY,
        backlog=16,
        window=120,
        close=Close.HOLD,
        rate_per_s=1000,
    )
    site.carry_out(plan, started_first(40, "accept_queue"), late("snat_exhausted", "lost_on_the_way"))


@world("connstorm run time-wait-nat", families=(4,), ways=(PRIVATE,))
def scenario_time_wait_nat(site):
    site.command("time-wait-nat", RANGE, "--mines=100", parts=[late("time_wait")])


@world("connstorm run snat-race", families=(6,), ways=(PRIVATE,))
def scenario_snat_race(site):
    site.command("snat-race", RANGE, parts=[late("snat_clash")])


@world("connstorm run snat-exhausted", families=(4,), ways=(PRIVATE,))
def scenario_snat_exhausted(site):
    site.command("snat-exhausted", "--rate=1000", parts=[late("snat_exhausted")])
