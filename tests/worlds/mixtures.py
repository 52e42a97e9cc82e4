# SPDX-License-Identifier: MIT
"""Two causes at once that share a counter, a state or a latency: what happens to an attempt is decided by its port."""

import numpy as np

from stress.model.plan import Plan, Ports, Serve
from stress.model.world import (
    ADDRESSES,
    CLIENT,
    ROUTER,
    SERVER,
    FilterRule,
    Hook,
    Segment,
    Topology,
    World,
)
from stress.storm.scenario import SHORT_LADDER
from worlds.truth import Part, is_at_once, late, on_ports
from worlds.world import PRIVATE, world

FIRST, COUNT = 40000, 120
LOWER, UPPER = range(FIRST, FIRST + 60), range(FIRST + 60, FIRST + 120)
SYN = "tcp dport {port} tcp flags & (syn | ack) == syn"
SYN_ACK = "tcp sport {port} tcp flags & (syn | ack) == (syn | ack)"
PURE_ACK = "tcp sport {port} tcp flags & (fin | syn | rst | ack) == ack"
RST = "tcp dport {port} tcp flags & (rst | ack) == rst"  # that answers an ACK, and not that of close()


def of_ports(ports, match, side="sport"):
    """Return a match for segments of some of the client's ports."""
    return f"tcp {side} {ports[0]}-{ports[-1]} {match}"


def drop(name, ports, match, *, on=ROUTER, hook=Hook.FORWARD, stops=None, side="sport"):
    """Return a rule that drops segments of some of the client's ports."""
    return FilterRule(name=name, hook=hook, match=of_ports(ports, match, side), on=on, stops=stops)


def make_plan(topology, *rules, **changes):
    """Return a plan over the ports of this module, with the short ladder."""
    one = topology is Topology.LOOPBACK
    addresses = {} if one else {"source": ADDRESSES[4][CLIENT], "target": ADDRESSES[4][SERVER]}
    fields = {
        "scenario": "mixture",
        "ports": Ports.SHUFFLE,
        "port_range": (FIRST, FIRST + COUNT - 1),
        "sysctls": SHORT_LADDER,
        "world": World(topology=topology, rules=list(rules)),
    }
    return Plan(**(fields | addresses | changes))


def mixture(truth, *, families=(4, 6)):
    """Register a mixture: a world that connstorm makes itself."""
    return world(truth, families=families, ways=(PRIVATE,))


@mixture("60 of 120 ports have a CLOSE_WAIT socket, and a router loses every SYN of 20 others.")
def mines_and_loss(site):
    lost = UPPER[:20]
    rule = drop("lost", lost, SYN, stops=Segment.SYN)
    plan = make_plan(Topology.ROUTER, rule, mines=60)
    site.carry_out(plan, Part(("lost_on_the_way",), in_range_and_timed_out(lost)), late("closewait", "lost_on_the_way"))


def in_range_and_timed_out(ports):
    """Return a selector of attempts of some ports that timed out."""
    return lambda run: np.isin(run.attempts["local_port"], ports) & (run.attempts["error"] == 110)


@mixture("Every port is mined; a firewall drops the client's RSTs on half of them, the challenge ACKs on the other.")
def rst_and_challenge_dropped(site):
    plan = make_plan(
        Topology.ROUTER,
        drop("no-rst", LOWER, RST, stops=Segment.RST),
        drop("no-challenge", UPPER, PURE_ACK, side="dport", stops=Segment.CHALLENGE),
        mines=COUNT,
    )
    site.carry_out(plan, on_ports(LOWER, "rst_dropped"), on_ports(UPPER, "challenge_dropped", "lost_on_the_way"))


@mixture("Nobody accepts, and a router loses every SYN of the lower half of the ports.")
def queue_and_loss_over_router(site):
    plan = make_plan(
        Topology.ROUTER,
        drop("lost", LOWER, SYN, stops=Segment.SYN),
        serve=Serve.NOBODY,
        backlog=16,
        window=COUNT,
    )
    site.carry_out(plan, on_ports(LOWER, "lost_on_the_way"), late("accept_queue"))


@mixture("The client's own host drops the SYNs of half the ports, the router those of the other half.")
def egress_and_loss(site):
    plan = make_plan(
        Topology.ROUTER,
        drop("own", LOWER, SYN, on=CLIENT, hook=Hook.OUTPUT, stops=Segment.SYN),
        drop("lost", UPPER, SYN, stops=Segment.SYN),
    )
    site.carry_out(plan, on_ports(LOWER, "dropped_by_host", "lost_on_the_way"), on_ports(UPPER, "lost_on_the_way"))


@mixture("A firewall answers the SYNs of half the ports by an RST, the router loses those of the other half.")
def rejected_and_lost(site):
    plan = make_plan(
        Topology.ROUTER,
        FilterRule(name="reject", hook=Hook.INPUT, match=of_ports(LOWER, SYN), action="reject with tcp reset"),
        drop("lost", UPPER, SYN, stops=Segment.SYN),
    )
    site.carry_out(plan, on_ports(LOWER, "rejected_by_rst"), on_ports(UPPER, "lost_on_the_way"))


@mixture("Every SYN-ACK to half the ports is lost on a link, every SYN of the other half.")
def syns_and_answers_lost(site):
    plan = make_plan(
        Topology.LINK,
        drop("answers", LOWER, SYN_ACK, on=CLIENT, hook=Hook.INPUT, side="dport", stops=Segment.SYN_ACK),
        drop("syns", UPPER, SYN, on=SERVER, hook=Hook.INPUT, stops=Segment.SYN),
    )
    site.carry_out(plan, late("lost_on_the_way"))


@mixture("A limit lets 40 SYNs a second through, and 30 ports have a CLOSE_WAIT socket.")
def limit_and_mines(site):
    limit = FilterRule(
        name="limit",
        hook=Hook.FORWARD,
        match=f"{SYN} limit rate over 40/second burst 40 packets",
        on=ROUTER,
        stops=Segment.SYN,
    )
    plan = make_plan(Topology.ROUTER, limit, mines=30)
    hastened = Part(("closewait",), lambda run: ~is_at_once(run) & (run.attempts["latency_ns"] < 500_000_000))
    site.carry_out(plan, hastened, late("lost_on_the_way", "closewait"))
