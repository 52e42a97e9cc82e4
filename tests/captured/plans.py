# SPDX-License-Identifier: MIT
"""Plans that no scenario has: a router between a minefield and its clients, captured at both ends."""

import msgspec

from stress.model.mine import MineState
from stress.model.plan import Close, Plan, Ports
from stress.model.world import ADDRESSES, CLIENT, ROUTER, SERVER, FilterRule, Hook, Segment, Topology, World
from stress.storm.scenario import SHORT_LADDER
from stress.storm.scenarios.collisions import OPENING

LONG_LADDER = {"net.ipv4.tcp_syn_retries": "3", "net.ipv4.tcp_syn_linear_timeouts": "0"}
PURE_ACK = "tcp sport {port} tcp flags & (fin | syn | rst | ack) == ack"
OPENS = "tcp dport {port} tcp flags & (syn | ack) == syn"
FROM_CLIENT = "{ip} saddr . tcp sport . {ip} daddr . tcp dport"
TO_CLIENT = "{ip} daddr . tcp dport . {ip} saddr . tcp sport"
SETS = {
    OPENING: "type {address} . inet_service . {address} . inet_service; flags dynamic,timeout; timeout 60s; size 65535;"
}


def at_router(name, match, action, stops=None):
    """Return a rule of the router."""
    return FilterRule(name=name, on=ROUTER, hook=Hook.FORWARD, match=match, action=action, stops=stops)


# Only what answers a SYN: nft knows which 4-tuples are opening.
OPENINGS = [
    at_router("syn-sent", OPENS, f"update @{OPENING} {{{{ {FROM_CLIENT} }}}}"),
    at_router(
        "syn-answered",
        "tcp sport {port} tcp flags & (syn | ack) == syn | ack",
        f"delete @{OPENING} {{{{ {TO_CLIENT} }}}}",
    ),
]
CHALLENGES = f"{PURE_ACK} {TO_CLIENT} @{OPENING}"


def routed(name, rules=(), **changes):
    """Return a plan of 60 mines behind a router."""
    whole = {
        "scenario": name,
        "ports": Ports.SHUFFLE,
        "port_range": (40000, 40299),
        "mines": 60,
        "source": ADDRESSES[4][CLIENT],
        "target": ADDRESSES[4][SERVER],
        "world": World(topology=Topology.ROUTER, rules=list(rules), sets=SETS if rules else {}),
        "rate_per_s": 1000,
        "pin": False,
    }
    return msgspec.convert(msgspec.to_builtins(whole | changes), Plan)


RSTS = at_router("rst", "tcp dport {port} tcp flags & rst == rst", "drop", Segment.RST)
PLANS = {
    "routed mines": routed("closewait"),
    "routed mines, lost RSTs": routed("rst-dropped", [RSTS], close=Close.FIN, sysctls=SHORT_LADDER),
    "routed mines, lost RSTs, more SYNs": routed("rst-dropped", [RSTS], close=Close.FIN, sysctls=LONG_LADDER),
    "routed mines, lost answers": routed(
        "challenge-dropped",
        [*OPENINGS, at_router("challenge", CHALLENGES, "drop", Segment.CHALLENGE)],
        sysctls=SHORT_LADDER,
    ),
    "routed mines, answered by the router": routed(
        "one-second", [*OPENINGS, at_router("challenge", CHALLENGES, "reject with tcp reset", Segment.CHALLENGE)]
    ),
    "routed TIME_WAIT": routed(
        "time-wait-nat",
        mine_state=MineState.TIME_WAIT,
        isn="random",
        sysctls=SHORT_LADDER | {"net.ipv4.tcp_timestamps": "0"},
    ),
    **{f"routed {state}": routed("half-open", mine_state=state) for state in ("ESTABLISHED", "LAST-ACK")},
}
