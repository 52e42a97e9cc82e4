# SPDX-License-Identifier: MIT
"""Address translation: two clients behind one address, ports chosen twice, and too few of them."""

import msgspec

from stress.model.mine import MineState
from stress.model.outcome import Cause
from stress.model.plan import Close, Plan, Ports
from stress.model.world import ADDRESSES, CLIENT, CLIENT2, ROUTER, SERVER, FilterRule, Hook, Topology, World
from stress.storm.scenario import ALL, SHORT_LADDER, Scenario

TIMESTAMPS, RFC1337 = "net.ipv4.tcp_timestamps", "net.ipv4.tcp_rfc1337"
SOURCE, TARGET = ADDRESSES[4][CLIENT], ADDRESSES[4][SERVER]


def translate(topology: Topology, how: str = "") -> World:
    """Return a world whose router gives its own address to what goes to the server, as nftables' ``masquerade``."""
    rule = FilterRule(
        name="masquerade",
        on=ROUTER,
        hook=Hook.POSTROUTING,
        nat=True,
        match='meta l4proto tcp oifname "server"',
        action=f"masquerade {how}".rstrip(),
    )
    return World(topology=topology, rules=[rule])


def other_world(world: World) -> dict[str, object]:
    """Return the changes of an act that runs in another world."""
    return {"world": msgspec.to_builtins(world)}


SCENARIOS = (
    Scenario(
        "two clients behind one address: a client gets the port of another, whose connection the server closed first",
        {
            ALL: "a share of these ports, by chance: connects of {fast}; with tcp_rfc1337 ETIMEDOUT after "
            "{challenged_give_up}; none with tcp_timestamps=2"
        },
        frozenset({Cause.TIME_WAIT}),
        Plan(
            scenario="time-wait-nat",
            world=translate(Topology.TWO_CLIENTS),
            source=SOURCE,
            target=TARGET,
            mines=200,
            mine_state=MineState.TIME_WAIT,
            mines_from=CLIENT2,
            ports=Ports.SHUFFLE,
            port_range=(40000, 40399),
            rate_per_s=400,
            sysctls=SHORT_LADDER,
            acts={
                "timestamps 1": {"sysctls": {TIMESTAMPS: "1"}},
                "rfc1337 1": {"sysctls": {TIMESTAMPS: "1", RFC1337: "1"}},
                "timestamps 0": {"sysctls": {TIMESTAMPS: "0"}},
                "timestamps 2": {"sysctls": {TIMESTAMPS: "2"}},
            },
        ),
        waits_for_give_up=True,
    ),
    Scenario(
        "two clients behind one address that connect from the same port at the same moment, each on its own CPU",
        {ALL: "connects of {first}, some in a hundred by chance; none with fully-random"},
        frozenset({Cause.SNAT_CLASH}),
        Plan(
            scenario="snat-race",
            world=translate(Topology.TWO_CLIENTS),
            source=SOURCE,
            target=TARGET,
            sources=2,
            workers=2,
            ports=Ports.SWEEP,
            port_range=(40000, 40599),
            rate_per_s=400,  # so slowly that each worker sleeps between two rounds, and a busy machine runs it in time
            acts={
                "masquerade": {},
                "fully-random": other_world(translate(Topology.TWO_CLIENTS, "fully-random")),
            },
        ),
        waits_s=1.1,
    ),
    Scenario(
        "a router that has fewer ports for its address than its clients hold connections",
        {ALL: "ETIMEDOUT after {give_up} for every connection beyond the ports"},
        frozenset({Cause.SNAT_EXHAUSTED}),
        Plan(
            scenario="snat-exhausted",
            world=translate(Topology.ROUTER, "to :50000-50099"),
            source=SOURCE,
            target=TARGET,
            ports=Ports.SHUFFLE,
            close=Close.HOLD,
            attempts=200,
            rate_per_s=100,
            sysctls=SHORT_LADDER,
            acts={
                "100 ports": {},
                "every port": other_world(translate(Topology.ROUTER)),
            },
        ),
        waits_for_give_up=True,
    ),
)
