# SPDX-License-Identifier: MIT
"""Ports: what finding a source port costs, and when there is none."""

from stress.model.outcome import Cause
from stress.model.plan import Close, Plan, Serve
from stress.storm.scenario import ALL, FIN_TIMEOUT, MINES, TW_REUSE, Scenario

SCENARIOS = (
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
)
