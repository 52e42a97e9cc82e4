# SPDX-License-Identifier: MIT
"""Paths and refusals over several hosts, by themselves and two at a time."""

import errno

import numpy as np

from stress.model.plan import Serve
from stress.model.world import CLIENT, ROUTER, SERVER, FilterRule, Hook, Route, Segment, Topology, World
from worlds.mixtures import LOWER, SYN, UPPER, drop, make_plan, mixture, of_ports
from worlds.truth import Part, every, late, on_ports

FEW = 20  # the queue of an unknown neighbour has room for some fifty SYNs
STRICT = {SERVER: {"net.ipv4.conf.all.rp_filter": "1"}}
THROUGH_LO = [Route(to=CLIENT, kind="unicast", through="lo")]
UNASKED = FilterRule(name="solicitation", hook=Hook.INPUT, match="icmpv6 type nd-neighbor-solicit")


def reject(how, ports, *, on=SERVER, hook=Hook.INPUT):
    """Return a rule that rejects the SYNs of some of the client's ports."""
    action = f"reject with {how}"
    return FilterRule(name="reject", hook=hook, match=of_ports(ports, SYN), action=action, on=on, stops=Segment.SYN)


def by_router(ports):
    """Return a rule of the router that rejects some ports' SYNs by ICMP, as far as the limit of such errors allows."""
    return reject("icmpx type admin-prohibited", ports, on=ROUTER, hook=Hook.FORWARD)


def rejected(ports):
    """State the truth of attempts of some ports, all rejected by ICMP: who got no error saw their SYNs dropped."""
    timed_out = Part(
        ("rejected_by_icmp", "lost_on_the_way"),
        lambda run: np.isin(run.attempts["local_port"], ports) & (run.attempts["error"] == errno.ETIMEDOUT),
    )
    return [timed_out, on_ports(ports, "rejected_by_icmp")]


def silent(*rules, **changes):
    """Return a plan towards a server that does not answer ARP."""
    world = World(topology=Topology.LINK, silent=[SERVER], rules=[UNASKED, *rules])
    return make_plan(Topology.LINK, world=world, **changes)


@mixture("Nobody answers for the server's address.")
def no_neighbour(site):
    site.carry_out(silent(port_range=(LOWER[0], LOWER[FEW - 1])), every("no_neighbour"))


@mixture("Nobody answers for the server's address, and the client's own firewall rejects half of the SYNs by ICMP.")
def no_neighbour_and_rejected(site):
    own, rest = LOWER[: FEW // 2], LOWER[FEW // 2 : FEW]
    rule = reject("icmpx type host-unreachable", own, on=CLIENT, hook=Hook.OUTPUT)
    plan = silent(rule, port_range=(LOWER[0], LOWER[FEW - 1]))
    site.carry_out(plan, on_ports(own, "rejected_by_icmp"), on_ports(rest, "no_neighbour"))


@mixture(
    "The server filters every source, and a router loses half of the SYNs.",
    families=(4,),
)
def rp_filter_and_loss(site):
    lost = drop("lost", LOWER, SYN, stops=Segment.SYN)
    world = World(topology=Topology.ROUTER, rules=[lost], routes=THROUGH_LO, sysctls=STRICT)
    plan = make_plan(Topology.ROUTER, world=world)
    site.carry_out(plan, on_ports(LOWER, "lost_on_the_way"), on_ports(UPPER, "rp_filter"))


@mixture("The server filters every source, and the router rejects half of the SYNs by ICMP.", families=(4,))
def rp_filter_and_rejected(site):
    world = World(topology=Topology.ROUTER, rules=[by_router(LOWER)], routes=THROUGH_LO, sysctls=STRICT)
    plan = make_plan(Topology.ROUTER, world=world)
    site.carry_out(plan, *rejected(LOWER), on_ports(UPPER, "rp_filter"))


@mixture("The client's address is the server's own, and a router loses half of the SYNs.", families=(4,))
def martian_and_loss(site):
    lost = drop("lost", LOWER, SYN, stops=Segment.SYN)
    world = World(topology=Topology.ROUTER, rules=[lost], routes=[Route(to=CLIENT, kind="local", through="lo")])
    plan = make_plan(Topology.ROUTER, world=world)
    site.carry_out(plan, on_ports(LOWER, "lost_on_the_way"), on_ports(UPPER, "martian", "lost_on_the_way"))


@mixture("A router rejects half of the SYNs by ICMP, and loses those of the other half.")
def rejected_by_router_and_lost(site):
    plan = make_plan(Topology.ROUTER, by_router(LOWER), drop("lost", UPPER, SYN, stops=Segment.SYN))
    site.carry_out(plan, *rejected(LOWER), on_ports(UPPER, "lost_on_the_way"))


@mixture("A router rejects half of the SYNs by ICMP, and the server does not accept the others.")
def rejected_by_router_and_queue(site):
    plan = make_plan(Topology.ROUTER, by_router(LOWER), serve=Serve.NOBODY, backlog=8)
    site.carry_out(plan, *rejected(LOWER), late("accept_queue"))


@mixture("A router rejects half of the SYNs by ICMP, and nobody listens for the others.")
def rejected_by_router_and_closed(site):
    plan = make_plan(Topology.ROUTER, by_router(LOWER), serve=Serve.ABSENT)
    site.carry_out(plan, *rejected(LOWER), on_ports(UPPER, "no_listener"))


@mixture("The server has no route back, and the client's own firewall rejects half of the SYNs by an RST.")
def no_route_back_and_rejected(site):
    rule = reject("tcp reset", LOWER, on=CLIENT, hook=Hook.OUTPUT)
    world = World(topology=Topology.LINK, rules=[rule], routes=[Route(to=CLIENT, kind="throw")])
    plan = make_plan(Topology.LINK, world=world)
    site.carry_out(plan, on_ports(LOWER, "rejected_by_rst"), on_ports(UPPER, "no_route_back"))


@mixture("The server's host has a route back of a kind that IPv6 does not count.")
def route_back_unreachable(site):
    world = World(topology=Topology.LINK, routes=[Route(to=CLIENT, kind="unreachable")])
    site.carry_out(make_plan(Topology.LINK, world=world), every("no_route_back"))


@mixture("Nobody listens, and a router loses half of the SYNs.")
def closed_and_lost(site):
    plan = make_plan(Topology.ROUTER, drop("lost", LOWER, SYN, stops=Segment.SYN), serve=Serve.ABSENT)
    site.carry_out(plan, on_ports(LOWER, "lost_on_the_way"), on_ports(UPPER, "no_listener"))
