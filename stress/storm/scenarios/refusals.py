# SPDX-License-Identifier: MIT
"""Refusals: connect() fails because somebody says so: a firewall, a router, the server's TCP, or the own host."""

from typing import Any

import msgspec

from stress.model.outcome import Cause
from stress.model.plan import Plan, Ports
from stress.model.world import ADDRESSES, CLIENT, ROUTER, SERVER, FilterRule, Hook, Route, Segment, Topology, World
from stress.storm.scenario import ALL, SHORT_LADDER, Scenario

FROM, TO = ADDRESSES[4][CLIENT], ADDRESSES[4][SERVER]
SYN = "tcp dport {port} tcp flags & (syn | ack) == syn"
# A host limits its ICMP errors to one address; without that every attempt gets one.
UNLIMITED = {SERVER: {"net.ipv4.icmp_ratelimit": "0", "net.ipv6.icmp.ratelimit": "0"}}


def reject(how: str, *, on: str = SERVER, hook: Hook = Hook.INPUT) -> FilterRule:
    """Return a rule that rejects every SYN."""
    return FilterRule(name="reject", hook=hook, match=SYN, action=f"reject with {how}", on=on, stops=Segment.SYN)


def in_world(world: World) -> dict[str, Any]:
    """Return the change of an act in which the world is another one."""
    return {"world": msgspec.to_builtins(world)}


def server_rejects(how: str) -> dict[str, Any]:
    """Return the change of an act in which the server's firewall rejects, and sends every ICMP error."""
    return in_world(World(topology=Topology.LINK, rules=[reject(how)], sysctls=UNLIMITED))


def client_has_route(kind: str) -> dict[str, Any]:
    """Return the change of an act in which the client's own route to the server is of a kind that refuses."""
    return in_world(World(topology=Topology.LINK, routes=[Route(to=SERVER, kind=kind, on=CLIENT)]))


SCENARIOS = (
    Scenario(
        "a dozen ways to be refused: by firewalls, a router, the server's TCP and the client's own routes",
        {ALL: "an errno each, at once (ICMP over IPv6: {first}); {give_up} where a router limits its ICMP errors"},
        frozenset({Cause.REJECTED_BY_RST, Cause.REJECTED_BY_ICMP, Cause.NO_LISTENER, Cause.REFUSED_BY_HOST}),
        Plan(
            scenario="rejected",
            source=FROM,
            target=TO,
            attempts=20,
            rate_per_s=100,
            ports=Ports.SHUFFLE,
            sysctls=SHORT_LADDER,
            world=World(topology=Topology.LINK),
            acts={
                "tcp reset": server_rejects("tcp reset"),
                "port unreachable": server_rejects("icmpx type port-unreachable"),
                "host unreachable": server_rejects("icmpx type host-unreachable"),
                "network unreachable": server_rejects("icmpx type no-route"),
                "prohibited": server_rejects("icmpx type admin-prohibited"),
                "protocol unreachable": server_rejects("icmp type prot-unreachable"),
                "a router that prohibits": in_world(
                    World(
                        topology=Topology.ROUTER,
                        rules=[reject("icmpx type admin-prohibited", on=ROUTER, hook=Hook.FORWARD)],
                    )
                ),
                "nobody listens": {"serve": "absent"},
                **{f"own route {kind}": client_has_route(kind) for kind in ("unreachable", "prohibit", "blackhole")},
                "no route": client_has_route("throw"),
                "nothing in the way": {},
            },
        ),
        waits_for_give_up=True,
    ),
)
