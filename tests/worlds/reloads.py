# SPDX-License-Identifier: MIT
"""Worlds in which the first use of a connection fails, because its listener closed."""

import errno

from stress.model.world import SERVER, Hook, Segment, Topology
from worlds.mixtures import SYN, UPPER, drop, make_plan, mixture
from worlds.truth import Part, on_ports

RELOAD = {"use": True, "listeners": 2, "stuck": 1, "stuck_until_s": 0.2, "attempts": 120}


def reset_in_use(*names):
    """State the truth of connections that met a reset when they were first used."""
    return Part(names, lambda run: run.uses["error"] == errno.ECONNRESET)


@mixture("One of two listeners closes with connections in its queue.")
def listener_closes(site):
    site.carry_out(make_plan(Topology.LINK, **RELOAD), reset_in_use("listener_closed"))


@mixture("One of two listeners closes with connections in its queue, and a firewall loses the SYNs of 60 ports.")
def listener_closes_and_loss(site):
    rule = drop("lost", UPPER, SYN, on=SERVER, hook=Hook.INPUT, stops=Segment.SYN)
    plan = make_plan(Topology.LINK, rule, **RELOAD)
    site.carry_out(plan, reset_in_use("listener_closed"), on_ports(UPPER, "lost_on_the_way"))
