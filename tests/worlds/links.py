# SPDX-License-Identifier: MIT
"""Worlds whose router has slow links: packets wait in its queue, or find it full, together with another cause."""

from stress.model.plan import Serve
from stress.model.world import ADDRESSES, CLIENT, ROUTER, SERVER, Queue, Topology, World
from worlds.mixtures import make_plan, mixture
from worlds.truth import delayed, late

ROUTED = {"source": ADDRESSES[4][CLIENT], "target": ADDRESSES[4][SERVER], "attempts": 60, "rate_per_s": 100}


def behind(limit):
    """Return a world whose router sends 64 kbit/s in either direction, and has a queue of so many bytes."""
    queue = Queue(kind="tbf", options={"rate": 8_000, "burst": 1_600, "limit": limit}, on=ROUTER)
    return World(topology=Topology.ROUTER, queues=[queue])


@mixture("A slow link, and a queue that holds all: connect() waits, and no SYN is sent again.")
def slow_link_over_router(site):
    site.carry_out(make_plan(Topology.ROUTER, world=behind(100_000), **ROUTED), delayed(), late())


@mixture("A slow link, and a short queue: SYNs, SYN-ACKs and RSTs are dropped.")
def short_queue(site):
    site.carry_out(make_plan(Topology.ROUTER, world=behind(600), **ROUTED), delayed(), late("lost_on_the_way"))


@mixture("A slow link, and nobody accepts: the queue holds 17.", families=(4,))
def slow_link_and_accept_queue(site):
    plan = make_plan(Topology.ROUTER, world=behind(100_000), serve=Serve.NOBODY, backlog=16, **ROUTED)
    site.carry_out(plan, delayed(), late("accept_queue"))


@mixture("A slow link with a short queue, and nobody accepts: the queue holds 17.", families=(4,))
def short_queue_and_accept_queue(site):
    plan = make_plan(Topology.ROUTER, world=behind(600), serve=Serve.NOBODY, backlog=16, **ROUTED)
    site.carry_out(plan, delayed(), late("accept_queue", "lost_on_the_way"))


@mixture("A slow link with a short queue, and half of the ports have a CLOSE_WAIT socket.", families=(4,))
def short_queue_and_mines(site):
    plan = make_plan(Topology.ROUTER, world=behind(600), mines=60, **ROUTED)
    site.carry_out(plan, delayed(), late("closewait", "lost_on_the_way", "rst_dropped", "challenge_dropped"))
