# SPDX-License-Identifier: MIT
"""Paths: SYNs that reach the server, or do not, and answers that find no way back."""

import msgspec

from stress.model.outcome import Cause
from stress.model.plan import Plan, Ports
from stress.model.world import ADDRESSES, CLIENT, SERVER, Route, Topology, World
from stress.storm.scenario import ALL, SHORT_LADDER, Scenario

FROM, TO = ADDRESSES[4][CLIENT], ADDRESSES[4][SERVER]

SCENARIOS = (
    Scenario(
        "a server whose host has no route back to the client",
        {ALL: "ETIMEDOUT after {give_up}: every SYN reaches the listener, whose answer is never sent"},
        frozenset({Cause.NO_ROUTE_BACK}),
        Plan(
            scenario="no-route-back",
            source=FROM,
            target=TO,
            attempts=200,
            rate_per_s=100,
            ports=Ports.SHUFFLE,
            sysctls=SHORT_LADDER,
            # The one kind of missing route that the kernel counts over IPv6 too (ip6_dst_lookup_tail()).
            world=World(topology=Topology.LINK, routes=[Route(to=CLIENT, kind="throw")]),
            acts={"no route back": {}, "with the route": {"world": msgspec.to_builtins(World(topology=Topology.LINK))}},
        ),
        waits_for_give_up=True,
    ),
)
