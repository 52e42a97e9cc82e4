# SPDX-License-Identifier: MIT
"""Connection tracking: no room for another connection, by a rule that counts them or in the kernel's own table."""

import msgspec

from stress.model.outcome import Cause
from stress.model.plan import Close, Plan, Ports, Serve
from stress.model.world import ADDRESSES, CLIENT, SERVER, FilterRule, Hook, Segment, Topology, World
from stress.storm.scenario import ALL, SHORT_LADDER, Scenario

MAX_CONNECTIONS = "net.netfilter.nf_conntrack_max"
PLACES = 100
ATTEMPTS = 200


def limit_connections(places: int) -> World:
    """Return a world whose server lets no more than so many connections in, which conntrack counts."""
    rule = FilterRule(
        name="limit",
        hook=Hook.INPUT,
        match=f"tcp dport {{port}} ct state new ct count over {places}",
        on=SERVER,
        stops=Segment.SYN,
    )
    return World(topology=Topology.LINK, rules=[rule])


def limit_table(places: int) -> World:
    """Return a world whose server tracks connections, and whose kernel lets no host track more than so many.

    The limit is that of all namespaces, and the first of them sets it: in a booted kernel that of the client.
    """
    rule = FilterRule(name="tracked", hook=Hook.INPUT, match="ct state new", action="accept", on=SERVER)
    return World(topology=Topology.LINK, rules=[rule], sysctls={CLIENT: {MAX_CONNECTIONS: str(places)}})


SCENARIOS = (
    Scenario(
        "a server whose firewall lets no more than 100 connections in, while 200 clients hold theirs",
        {ALL: "ETIMEDOUT after {give_up} for every connection beyond the limit"},
        frozenset({Cause.LOST_ON_THE_WAY}),
        Plan(
            scenario="conntrack-full",
            source=ADDRESSES[4][CLIENT],
            target=ADDRESSES[4][SERVER],
            ports=Ports.SWEEP,
            attempts=ATTEMPTS,
            window=ATTEMPTS,
            rate_per_s=150,
            serve=Serve.LEAK,
            close=Close.HOLD,
            sysctls=SHORT_LADDER,
            world=limit_connections(PLACES),
            acts={"room for 100": {}, "room for 400": {"world": msgspec.to_builtins(limit_connections(2 * ATTEMPTS))}},
        ),
        waits_for_give_up=True,
    ),
    Scenario(
        "a server that may track no more than 100 connections, while 200 clients hold theirs; on a booted kernel",
        {ALL: "ETIMEDOUT after {give_up} for every connection beyond the table"},
        frozenset({Cause.CONNTRACK_FULL}),
        Plan(
            scenario="conntrack-table",
            source=ADDRESSES[4][CLIENT],
            target=ADDRESSES[4][SERVER],
            ports=Ports.SWEEP,
            attempts=ATTEMPTS,
            window=ATTEMPTS,
            rate_per_s=150,
            serve=Serve.LEAK,
            close=Close.HOLD,
            sysctls=SHORT_LADDER,
            world=limit_table(PLACES),
        ),
        waits_for_give_up=True,
    ),
)
