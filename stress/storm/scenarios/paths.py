# SPDX-License-Identifier: MIT
"""Paths: SYNs that reach the server, or do not, and answers that find no way back."""

import msgspec

from stress.model.outcome import Cause
from stress.model.plan import Plan, Ports
from stress.model.world import ADDRESSES, CLIENT, SERVER, FilterRule, Hook, Route, Topology, World
from stress.storm.scenario import ALL, SHORT_LADDER, Scenario

FROM, TO = ADDRESSES[4][CLIENT], ADDRESSES[4][SERVER]
STRICT = {SERVER: {"net.ipv4.conf.all.rp_filter": "1"}}
# IPv4 asks by ARP, IPv6 by ICMPv6, which a rule has to drop.
UNASKED = FilterRule(name="solicitation", hook=Hook.INPUT, match="icmpv6 type nd-neighbor-solicit")
AT_ONCE = {"world": msgspec.to_builtins(World(topology=Topology.LINK))}
OPEN_ROUTER = {"world": msgspec.to_builtins(World(topology=Topology.ROUTER))}

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
            acts={"no route back": {}, "with the route": AT_ONCE},
        ),
        waits_for_give_up=True,
    ),
    Scenario(
        "a server that does not answer ARP: an address that nobody has",
        {ALL: "EHOSTUNREACH 3.05 s after the first SYN, or ETIMEDOUT if the ladder ends before; no SYN is sent again"},
        frozenset({Cause.NO_NEIGHBOUR}),
        Plan(
            scenario="neighbour",
            source=FROM,
            target=TO,
            attempts=40,  # the queue of an unknown neighbour has room for some fifty SYNs (unres_qlen_bytes)
            rate_per_s=100,
            ports=Ports.SHUFFLE,
            world=World(topology=Topology.LINK, silent=[SERVER], rules=[UNASKED]),
            acts={"the kernel's ladder": {}, "short ladder": {"sysctls": SHORT_LADDER}, "it answers": AT_ONCE},
        ),
        waits_s=4.0,  # three questions of a second each
    ),
    Scenario(
        "a strict reverse path filter on a server whose route to the client leads through another device",
        {ALL: "ETIMEDOUT after {give_up}; IPv4 only"},
        frozenset({Cause.RP_FILTER}),
        Plan(
            scenario="rp-filter",
            source=FROM,
            target=TO,
            attempts=100,
            rate_per_s=100,
            ports=Ports.SHUFFLE,
            sysctls=SHORT_LADDER,
            world=World(
                topology=Topology.ROUTER,
                routes=[Route(to=CLIENT, kind="unicast", through="lo")],
                sysctls=STRICT,
            ),
            acts={
                "another device": {},
                "the same device": {"world": msgspec.to_builtins(World(topology=Topology.ROUTER, sysctls=STRICT))},
            },
        ),
        waits_for_give_up=True,
    ),
    Scenario(
        "SYNs whose source is an address of the server itself: martians",
        {ALL: "ETIMEDOUT after {give_up}; no counter tells, so named by the kernel's own word only; IPv4 only"},
        frozenset({Cause.MARTIAN, Cause.LOST_ON_THE_WAY}),
        Plan(
            scenario="martian",
            source=FROM,
            target=TO,
            attempts=100,
            rate_per_s=100,
            ports=Ports.SHUFFLE,
            sysctls=SHORT_LADDER,
            world=World(topology=Topology.ROUTER, routes=[Route(to=CLIENT, kind="local", through="lo")]),
            acts={
                "its own address": {},
                "the client's alone": {"world": msgspec.to_builtins(World(topology=Topology.ROUTER))},
            },
        ),
        waits_for_give_up=True,
    ),
)
