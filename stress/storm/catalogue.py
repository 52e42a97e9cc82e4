# SPDX-License-Identifier: MIT
"""The catalogue: every scenario, as a plan that differs from the default plan in what makes the case."""

from stress.model.errors import UsageError
from stress.model.outcome import Cause
from stress.model.plan import Close, Drop, Isn, Laying, Plan, Ports, Release, Serve
from stress.model.text import did_you_mean
from stress.storm.scenario import Scenario

MINES = 500
SHORT_LADDER = {"net.ipv4.tcp_syn_retries": "1", "net.ipv4.tcp_syn_linear_timeouts": "0"}
TW_REUSE = "net.ipv4.tcp_tw_reuse"
FIN_TIMEOUT = "net.ipv4.tcp_fin_timeout"
ALL = (0, 0)

CATALOGUE = (
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
        "a server that nobody runs accept() for, its queue full",
        {ALL: "ETIMEDOUT after {give_up}; tcp_abort_on_overflow makes no difference to a SYN"},
        frozenset({Cause.ACCEPT_QUEUE}),
        Plan(
            scenario="accept-queue",
            serve=Serve.NOBODY,
            backlog=128,
            # Fewer in flight than net.core.netdev_max_backlog: of more SYNs sent again in one tick the loopback
            # itself loses some.
            attempts=900,
            window=900,
            sysctls=SHORT_LADDER,
            acts={
                "abort 0": {"sysctls": {"net.ipv4.tcp_abort_on_overflow": "0"}},
                "abort 1": {"sysctls": {"net.ipv4.tcp_abort_on_overflow": "1"}},
            },
        ),
        waits_for_give_up=True,
    ),
    Scenario(
        "a server that leaks until it has no descriptor left, and then its queue fills",
        {ALL: "ETIMEDOUT after {give_up}, together with EMFILE from the server's accept()"},
        frozenset({Cause.FD_EXHAUSTION}),
        Plan(
            scenario="fd-exhaustion",
            serve=Serve.LEAK,
            server_nofile=128,
            backlog=256,
            attempts=1200,
            window=1200,
            sysctls=SHORT_LADDER,
        ),
        waits_for_give_up=True,
    ),
    Scenario(
        "how long FIN_WAIT_2 lasts: clients of a leaking server, until their ports can be used again",
        {ALL: "EADDRNOTAVAIL for as long as tcp_fin_timeout, or TCP_LINGER2, says; then collisions of {fast}"},
        frozenset({Cause.PORT_EXHAUSTED, Cause.CLOSEWAIT}),
        Plan(
            scenario="fin-wait-2",
            serve=Serve.LEAK,
            close=Close.FIN,
            port_range=(40000, 40019),
            rate_per_s=2000,
            sysctls={TW_REUSE: "0"},
            acts={
                "tcp_fin_timeout 1 s": {"sysctls": {FIN_TIMEOUT: "1"}, "duration_s": 1.6},
                "tcp_fin_timeout 3 s": {"sysctls": {FIN_TIMEOUT: "3"}, "duration_s": 3.8},
                "TCP_LINGER2 1 s": {"linger2_s": 1, "duration_s": 1.6},
                "TCP_LINGER2 3 s": {"linger2_s": 3, "duration_s": 3.8},
            },
        ),
    ),
    Scenario(
        "a range of 1,000 ports that fills with TIME_WAIT, under each tcp_tw_reuse",
        {ALL: "EADDRNOTAVAIL once the range is full; after a second 1 and 2 (on loopback) take ports over, 0 never"},
        frozenset({Cause.PORT_EXHAUSTED}),
        Plan(
            scenario="port-exhaustion",
            close=Close.FIN,
            port_range=(40000, 40999),
            rate_per_s=2000,
            duration_s=3,
            acts={f"tcp_tw_reuse {value}": {"sysctls": {TW_REUSE: str(value)}} for value in (0, 1, 2)},
        ),
    ),
    Scenario(
        "what connect() costs from an empty to a full port range, by what occupies it",
        {ALL: "a step where half the range is taken: even ports are free below it, odd ones are searched above"},
        frozenset(),
        Plan(
            scenario="port-cost",
            probes=16,
            duration_s=45,  # FIN_WAIT_2 and TIME_WAIT last a minute
            sysctls={TW_REUSE: "0"},
            acts={
                "ESTABLISHED": {"serve": "leak", "close": "hold"},
                "FIN_WAIT_2": {"serve": "leak", "close": "fin"},
                "TIME_WAIT": {"serve": "close", "close": "fin"},
            },
        ),
    ),
    Scenario(
        "which source ports clients get: by connect(), bound address, IP_LOCAL_PORT_RANGE, bind()",
        {ALL: "connect() takes every second port and comes back after thousands; bind() draws at random from the rest"},
        frozenset({Cause.CLOSEWAIT}),
        Plan(
            scenario="port-choice",
            mines=MINES,
            attempts=20_000,
            acts={
                "connect()": {"ports": "kernel"},
                "bind(), no port": {"ports": "no-port"},
                "IP_LOCAL_PORT_RANGE": {"ports": "range"},
                "bind() to port 0": {"ports": "bind"},
            },
        ),
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

SCENARIOS: dict[str, Scenario] = {scenario.plan.scenario: scenario for scenario in CATALOGUE}


def find_scenario(name: str) -> Scenario:
    """Return a scenario by name.

    Raises:
        UsageError: there is none of that name.
    """
    if name in SCENARIOS:
        return SCENARIOS[name]
    raise UsageError(f"There is no scenario {name!r}; there are {', '.join(SCENARIOS)}.{did_you_mean(name, SCENARIOS)}")
