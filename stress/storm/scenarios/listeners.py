# SPDX-License-Identifier: MIT
"""Listeners: several on one port, one of which stands still or closes."""

from stress.model.outcome import Cause
from stress.model.plan import Plan, Ports
from stress.storm.scenario import ALL, SHORT_LADDER, Scenario

MIGRATE = "net.ipv4.tcp_migrate_req"
HUNDRED_PORTS = (40000, 40099)

SCENARIOS = (
    Scenario(
        "one of 2, and of 4, listeners on one port (SO_REUSEPORT) stands still, each port tried twice; then none does",
        {ALL: "ETIMEDOUT after {give_up} on a fixed share of the ports, always the same ones; the others at once"},
        frozenset({Cause.ACCEPT_QUEUE}),
        Plan(
            scenario="reuseport-stuck",
            ports=Ports.SHUFFLE,
            port_range=HUNDRED_PORTS,
            stuck=1,
            backlog=0,
            rate_per_s=1000,  # one after the other in the picture
            sysctls=SHORT_LADDER,
            acts={
                "2 listeners": {"listeners": 2},
                "2 listeners, again": {"listeners": 2, "fresh": False},
                "4 listeners": {"listeners": 4},
                "4 listeners, again": {"listeners": 4, "fresh": False},
                "2 listeners, both accept": {"listeners": 2, "stuck": 0, "backlog": None},
            },
        ),
        waits_for_give_up=True,
    ),
    Scenario(
        "one of 2 listeners on one port closes while connections wait in its queue, as in a reload",
        {ALL: "every connect() succeeds; ECONNRESET at the first use of those that waited, unless they are migrated"},
        frozenset({Cause.LISTENER_CLOSED}),
        Plan(
            scenario="listener-reload",
            ports=Ports.SHUFFLE,
            use=True,
            listeners=2,
            stuck=1,
            stuck_until_s=0.5025,  # between two attempts
            attempts=200,
            rate_per_s=200,
            acts={f"tcp_migrate_req {value}": {"sysctls": {MIGRATE: value}} for value in ("0", "1")},
        ),
    ),
)
