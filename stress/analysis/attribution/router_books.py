# SPDX-License-Identifier: MIT
"""The books of a router that translates addresses: what its conntrack dropped."""

from collections.abc import Iterator

from stress.model.run import Storm
from stress.model.world import ROUTER

ROUTER_DROPS = "the router's conntrack drop"


def count_router_drops(storm: Storm) -> int | None:
    """Return how many packets the conntrack of a translating router dropped; None where no router translates."""
    if not storm.act.plan.world.translates or ROUTER not in storm.act.hosts:
        return None
    return storm.act.hosts[ROUTER].conntrack.get("drop", 0)


def router_claims(storm: Storm) -> Iterator[tuple[str, int, str, int]]:
    """Yield the claim that conntrack dropped nothing but connections for which it had given a port twice."""
    drops = count_router_drops(storm)
    if drops is not None:
        failed = storm.act.hosts[ROUTER].conntrack.get("insert_failed", 0)
        yield "connections that conntrack could not insert", failed, ROUTER_DROPS, drops
