# SPDX-License-Identifier: MIT
"""Worlds in which SYNs that ask for ECN are dropped, and such as look the same from the client."""

from stress.model.world import ROUTER, FilterRule, Hook, Segment, Topology, World
from stress.storm.scenario import SHORT_LADDER
from worlds.mixtures import SYN, make_plan, mixture
from worlds.truth import late

ASKS = "tcp dport {port} tcp flags & (syn | ack | ecn | cwr) == syn | ecn | cwr"
ASKING, NOT_ASKING = ({"net.ipv4.tcp_ecn": value, "net.ipv4.tcp_ecn_fallback": "1"} for value in "10")
ACTS = {"ECN": {"sysctls": ASKING}, "no ECN": {"sysctls": NOT_ASKING}}
FEW = {"attempts": 60, "rate_per_s": 40}  # longer than the first timeout


def drop_syns(name, match):
    """Return a rule by which the router drops SYNs."""
    return FilterRule(name=name, hook=Hook.FORWARD, match=match, on=ROUTER, stops=Segment.SYN)


@mixture("A router drops SYNs that ask for ECN; an act without ECN tells.")
def ecn_with_control(site):
    site.carry_out(make_plan(Topology.ROUTER, drop_syns("ecn", ASKS), acts=ACTS, **FEW), late("ecn_dropped"))


@mixture("A router drops SYNs that ask for ECN, and there is no act without.", families=(4,))
def ecn_without_control(site):
    plan = make_plan(Topology.ROUTER, drop_syns("ecn", ASKS), sysctls=SHORT_LADDER | ASKING, **FEW)
    site.carry_out(plan, late("ecn_dropped", "lost_on_the_way"))


def drop_first_syns():
    """Return a world whose router drops the first SYN of each port, as some devices do against floods."""
    return World(
        topology=Topology.ROUTER,
        rules=[drop_syns("first", f"{SYN} tcp sport != @seen add @seen {{{{ tcp sport }}}}")],
        sets={"seen": "type inet_service; flags dynamic,timeout; timeout 60s; size 65535;"},
    )


@mixture("A router drops the first SYN of each port, whatever it asks for; the client asks for ECN in one act.")
def first_syns_with_ecn(site):
    site.carry_out(make_plan(Topology.ROUTER, acts=ACTS, world=drop_first_syns(), **FEW), late("lost_on_the_way"))


@mixture("The same, and the act without ECN comes after, when the router knows every port.", families=(4,))
def first_syns_with_ecn_learnt(site):
    acts = ACTS | {"no ECN": ACTS["no ECN"] | {"fresh": False}}
    site.carry_out(make_plan(Topology.ROUTER, acts=acts, world=drop_first_syns(), **FEW), late("lost_on_the_way"))


@mixture("A router drops SYNs that ask for ECN, and one in ten of all others.", families=(4,))
def ecn_and_loss(site):
    rules = drop_syns("ecn", ASKS), drop_syns("lost", f"{SYN} numgen random mod 10 == 0")
    site.carry_out(make_plan(Topology.ROUTER, *rules, acts=ACTS, **FEW), late("lost_on_the_way", "ecn_dropped"))
