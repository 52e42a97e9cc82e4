# SPDX-License-Identifier: MIT
"""Collisions: storms over a minefield of old sockets, as they are and behind firewalls, and one without."""

import msgspec

from stress.model.mine import Isn, Laying, Release
from stress.model.outcome import Cause
from stress.model.plan import Close, Plan, Ports
from stress.model.world import CLIENT, Drop, FilterRule, Hook, Segment, World
from stress.storm.scenario import ALL, MINES, SHORT_LADDER, TW_REUSE, Scenario

# What is opening, by its 4-tuple: only there does a bare ACK of the server answer a SYN. A rule without it would reset
# connections that end by a FIN as well.
OPENING = "opening"
INTERCEPTION = World(
    sets={
        OPENING: "type {address} . inet_service . {address} . inet_service; flags dynamic,timeout; timeout 60s; "
        "size 65535;"
    },
    rules=[
        FilterRule(
            name="syn-sent",
            on=CLIENT,
            hook=Hook.OUTPUT,
            match="tcp dport {port} tcp flags & (syn | ack) == syn",
            action=f"update @{OPENING} {{{{ {{ip}} saddr . tcp sport . {{ip}} daddr . tcp dport }}}}",
        ),
        FilterRule(
            name="syn-answered",
            on=CLIENT,
            hook=Hook.INPUT,
            match="tcp sport {port} tcp flags & (syn | ack) == (syn | ack)",
            action=f"delete @{OPENING} {{{{ {{ip}} daddr . tcp dport . {{ip}} saddr . tcp sport }}}}",
        ),
        FilterRule(
            name="intercepted",
            on=CLIENT,
            hook=Hook.INPUT,
            match="tcp sport {port} tcp flags & (fin | syn | rst | ack) == ack "
            f"{{ip}} daddr . tcp dport . {{ip}} saddr . tcp sport @{OPENING}",
            action="reject with tcp reset",
            stops=Segment.CHALLENGE,
        ),
    ],
)
PASSED_ON = msgspec.structs.replace(
    INTERCEPTION,
    rules=[
        FilterRule(
            name="established", on=CLIENT, hook=Hook.INPUT, match="ct state established,related", action="accept"
        ),
        *INTERCEPTION.rules,
    ],
)
ANSWERED = "firewall answers"  # the act without the cure

SCENARIOS = (
    Scenario(
        "a storm against a server that closes every connection",
        {ALL: "no SYN sent again, no error"},
        frozenset(),
        Plan(scenario="clean", ports=Ports.SHUFFLE),
    ),
    Scenario(
        "the article: a server that leaks its first 799 connections; clients one after the other, a minute later",
        {ALL: "collisions of {fast}; a SYN-SENT and a CLOSE-WAIT socket on one port while a client hangs"},
        frozenset({Cause.CLOSEWAIT}),
        Plan(
            scenario="article",
            mines=799,
            laying=Laying.CLIENTS,
            release=Release.FIN_TIMEOUT,
            close=Close.FIN,
            window=1,
            attempts=6000,
            witness=True,
            acts={
                "ports by connect()": {"ports": "kernel"},
                "ports by bind()": {"ports": "bind", "fresh": False},
            },
        ),
    ),
    Scenario(
        "a storm over a minefield of leaked CLOSE_WAIT sockets",
        {ALL: "each mine costs one attempt a retry, of {fast}"},
        frozenset({Cause.CLOSEWAIT}),
        Plan(scenario="closewait", ports=Ports.SHUFFLE, mines=MINES),
    ),
    Scenario(
        "a minefield behind a firewall that answers the challenge ACK in the client's place",
        {
            ALL: "each mine costs one attempt {first}, as before Linux 5.6; {fast} if the firewall first accepts "
            "established connections"
        },
        frozenset({Cause.CHALLENGE_INTERCEPTED, Cause.CLOSEWAIT}),
        Plan(
            scenario="one-second",
            ports=Ports.SHUFFLE,
            mines=MINES,
            world=INTERCEPTION,
            acts={ANSWERED: {}, "established accepted": {"world": msgspec.to_builtins(PASSED_ON)}},
        ),
        waits_s=1.0,
    ),
    Scenario(
        "new connections while every port is still in FIN_WAIT_2, with tcp_tw_reuse",
        {
            ALL: "ports are taken over (TWRecycled), each for a collision of {fast}; not on stable since 10/2024",
            (6, 12): "no port is taken over: EADDRNOTAVAIL, TWRecycled = 0",
        },
        frozenset({Cause.PORT_EXHAUSTED, Cause.CLOSEWAIT}),
        Plan(
            scenario="translator",
            mines=100,
            laying=Laying.CLIENTS,  # connect() does not look at a port that bind() chose
            port_range=(40000, 40099),
            release=Release.KEEP,
            rest_s=1.5,  # a port may be taken over one second after its last segment
            ports=Ports.KERNEL,
            attempts=100,
            sysctls={TW_REUSE: "2"},
        ),
    ),
    Scenario(
        "a minefield behind a firewall that drops the client's RST",
        {ALL: "ETIMEDOUT after {challenged_give_up} on every mined port, each time: the mines survive"},
        frozenset({Cause.RST_DROPPED}),
        Plan(
            scenario="rst-dropped",
            ports=Ports.SHUFFLE,
            mines=MINES,
            drop=Drop.RST,
            close=Close.FIN,  # the RSTs of a reset close would be dropped too, and leave the server's sockets
            sysctls=SHORT_LADDER,
        ),
        waits_for_give_up=True,
    ),
    Scenario(
        "a minefield behind a firewall that drops the server's challenge ACK",
        {ALL: "ETIMEDOUT after {give_up} on every mined port, each time: the mines survive"},
        frozenset({Cause.CHALLENGE_DROPPED}),
        Plan(scenario="challenge-dropped", ports=Ports.SHUFFLE, mines=MINES, drop=Drop.CHALLENGE, sysctls=SHORT_LADDER),
        waits_for_give_up=True,
    ),
    Scenario(
        "a minefield behind the common rule that drops what conntrack calls INVALID",
        {ALL: "as closewait; ETIMEDOUT on kernels from about 5.18 to 6.1 whose conntrack calls the RST invalid"},
        frozenset({Cause.CLOSEWAIT}),
        Plan(
            scenario="conntrack-invalid",
            ports=Ports.SHUFFLE,
            mines=MINES,
            isn=Isn.RANDOM,
            drop=Drop.INVALID,
            sysctls=SHORT_LADDER,
        ),
    ),
    Scenario(
        "a minefield on a kernel that sends at most some 100 challenge ACKs a second",
        {ALL: "retries on the whole ladder from {second} up, next to those of {fast}"},
        frozenset({Cause.CHALLENGE_LIMITED, Cause.CLOSEWAIT}),
        Plan(
            scenario="challenge-limit",
            ports=Ports.SHUFFLE,
            mines=MINES,
            sysctls={"net.ipv4.tcp_challenge_ack_limit": "100"},
        ),
        waits_s=8.0,  # until the last of some hundred SYNs has had its challenge ACK
    ),
    Scenario(
        "a leaking server without and with keepalive on its sockets",
        {ALL: "without: collisions of {fast}; with: the mines are gone before the storm"},
        frozenset({Cause.CLOSEWAIT}),
        Plan(
            scenario="keepalive-cure",
            ports=Ports.SHUFFLE,
            mines=MINES,
            rest_s=3,
            acts={"without keepalive": {"keepalive_s": 0}, "with keepalive": {"keepalive_s": 1}},
        ),
    ),
)
