# SPDX-License-Identifier: MIT
"""Losses: SYNs or SYN-ACKs that a router, a limit, a policy or the own host drops."""

from typing import Any

import msgspec

from stress.model.outcome import Cause
from stress.model.plan import Plan, Ports
from stress.model.world import ADDRESSES, CLIENT, ROUTER, SERVER, FilterRule, Hook, Queue, Segment, Topology, World
from stress.storm.scenario import ALL, SHORT_LADDER, Scenario

SYNS = "tcp dport {port} tcp flags & (syn | ack) == syn"
ECN_SYNS = "tcp dport {port} tcp flags & (syn | ack | ecn | cwr) == syn | ecn | cwr"
SYN_ACKS = "tcp sport {port} tcp flags & (syn | ack) == syn | ack"
ECN, ECN_FALLBACK = "net.ipv4.tcp_ecn", "net.ipv4.tcp_ecn_fallback"
ONE_IN_FIVE = "numgen random mod 5 == 0"
LIMIT = "limit rate over {0}/second burst {0} packets"
ROUTED: dict[str, Any] = {  # fields of a plan: a client, a router and a server
    "source": ADDRESSES[4][CLIENT],
    "target": ADDRESSES[4][SERVER],
    "world": World(topology=Topology.ROUTER),
}


def drop_at(hook: Hook, on: str, segment: Segment = Segment.SYN, more: str = "") -> dict[str, Any]:
    """Return an act in which a host drops SYNs or SYN-ACKs between a client and a server.

    Args:
        hook: where the host looks at them.
        on: the host.
        segment: which of them.
        more: what else must match.
    """
    match = f"{SYNS if segment is Segment.SYN else SYN_ACKS} {more}".rstrip()
    return {"world": msgspec.to_builtins(drop_by_rule(hook, on, segment, match))}


def drop_by_rule(hook: Hook, on: str, segment: Segment, match: str) -> World:
    """Return a world with one rule, which drops SYNs or SYN-ACKs; for the arguments see ``drop_at``."""
    rule = FilterRule(name=segment, hook=hook, match=match, on=on, stops=segment)
    return World(topology=Topology.ROUTER, rules=[rule])


def queued_at_router(kind: str, **options: float) -> dict[str, Any]:
    """Return an act in which all packets that leave the router, in either direction, go through a queue."""
    world = World(topology=Topology.ROUTER, queues=[Queue(kind=kind, options=dict(options), on=ROUTER)])
    return {"world": msgspec.to_builtins(world)}


SCENARIOS = (
    Scenario(
        "a router that drops one SYN in five, then one SYN-ACK in five, at random",
        {ALL: "of five attempts one waits {first}, of 25 one {second}, of 125 one {third}; no error"},
        frozenset({Cause.LOST_ON_THE_WAY}),
        Plan(
            scenario="loss",
            ports=Ports.SHUFFLE,
            attempts=500,
            rate_per_s=250,
            **ROUTED,
            acts={
                "SYNs": drop_at(Hook.FORWARD, ROUTER, more=ONE_IN_FIVE),
                "SYN-ACKs": drop_at(Hook.FORWARD, ROUTER, Segment.SYN_ACK, ONE_IN_FIVE),
            },
        ),
        waits_s=4.0,
    ),
    Scenario(
        "100 clients at once at a server whose firewall lets 20 SYNs pass per second; then with room for all",
        {ALL: "a staircase in time: 20 connect at once, 20 after {first}, 20 after {second}, 20 after {third} …"},
        frozenset({Cause.LOST_ON_THE_WAY}),
        Plan(
            scenario="syn-rate-limit",
            ports=Ports.SHUFFLE,
            attempts=100,
            rate_per_s=1000,
            **ROUTED,
            acts={f"{rate} per second": drop_at(Hook.INPUT, SERVER, more=LIMIT.format(rate)) for rate in (20, 200)},
        ),
        waits_s=4.0,
    ),
    Scenario(
        "a client whose own firewall drops its SYNs to the server",
        {ALL: "ETIMEDOUT after {give_up}, always; connect() never says EPERM"},
        frozenset({Cause.DROPPED_BY_HOST}),
        Plan(
            scenario="egress-drop",
            ports=Ports.SHUFFLE,
            attempts=200,
            rate_per_s=100,
            sysctls=SHORT_LADDER,
            **ROUTED,
            acts={"dropped": drop_at(Hook.OUTPUT, CLIENT), "allowed": {}},
        ),
        waits_for_give_up=True,
    ),
    Scenario(
        "a policy that drops SYNs at a router or at the server, or the server's SYN-ACKs",
        {ALL: "ETIMEDOUT after {give_up}, always, whoever drops which of them"},
        frozenset({Cause.LOST_ON_THE_WAY}),
        Plan(
            scenario="policy",
            ports=Ports.SHUFFLE,
            attempts=100,
            rate_per_s=100,
            sysctls=SHORT_LADDER,
            **ROUTED,
            acts={
                "at router": drop_at(Hook.FORWARD, ROUTER),
                "at server": drop_at(Hook.INPUT, SERVER),
                "answers": drop_at(Hook.OUTPUT, SERVER, Segment.SYN_ACK),
            },
        ),
        waits_for_give_up=True,
    ),
    Scenario(
        "a client that asks for ECN, and a router that drops SYNs which do",
        {ALL: "{first} and one resend, always; ETIMEDOUT after {give_up} without fallback; at once without ECN"},
        frozenset({Cause.ECN_DROPPED}),
        Plan(
            scenario="ecn",
            ports=Ports.SHUFFLE,
            attempts=200,
            rate_per_s=100,
            sysctls=SHORT_LADDER,
            **(ROUTED | {"world": drop_by_rule(Hook.FORWARD, ROUTER, Segment.SYN, ECN_SYNS)}),
            acts={
                "ECN": {"sysctls": {ECN: "1", ECN_FALLBACK: "1"}},
                "ECN, no fallback": {"sysctls": {ECN: "1", ECN_FALLBACK: "0"}},
                "no ECN": {"sysctls": {ECN: "0", ECN_FALLBACK: "1"}},
            },
        ),
        waits_for_give_up=True,
    ),
    Scenario(
        "a router whose links delay, lose, reorder or double packets (netem)",
        {ALL: "with loss one in three waits {first}, one in twenty ETIMEDOUT after {give_up}; else no SYN sent again"},
        frozenset({Cause.LOST_ON_THE_WAY}),
        Plan(
            scenario="link",
            ports=Ports.SHUFFLE,
            attempts=100,
            rate_per_s=100,
            sysctls=SHORT_LADDER,
            **ROUTED,
            acts={
                "delay": queued_at_router("netem", delay=20_000, jitter=5_000),
                "loss": queued_at_router("netem", loss=20),
                "reordering": queued_at_router("netem", delay=10_000, prob_reorder=25, gap=5),
                "duplication": queued_at_router("netem", duplicate=50),
            },
        ),
        waits_for_give_up=True,
    ),
    Scenario(
        "a router whose links carry 64 kbit/s: packets wait in its queue; then the queue is short, and drops some",
        {ALL: "connects of up to a second without any resend; with the short queue some of {first} and more, too"},
        frozenset({Cause.LOST_ON_THE_WAY}),
        Plan(
            scenario="slow-link",
            ports=Ports.SHUFFLE,
            attempts=80,
            rate_per_s=100,
            **ROUTED,
            acts={
                "fast": {},
                "slow": queued_at_router("tbf", rate=8_000, burst=1_600, limit=100_000),
                "short queue": queued_at_router("tbf", rate=8_000, burst=1_600, limit=600),
            },
        ),
        waits_s=4.0,
    ),
)
