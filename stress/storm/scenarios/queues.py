# SPDX-License-Identifier: MIT
"""Queues: servers whose accept queue or SYN queue is full."""

from stress.model.outcome import Cause
from stress.model.plan import Plan, Serve
from stress.storm.scenario import ALL, SHORT_LADDER, Scenario

SCENARIOS = (
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
)
