# SPDX-License-Identifier: MIT
"""Queues: servers whose accept queue or SYN queue is full."""

from stress.model.outcome import Cause
from stress.model.plan import Plan, Serve
from stress.model.world import ADDRESSES, CLIENT, SERVER, Topology, World
from stress.storm.scenario import ALL, SHORT_LADDER, Scenario

SYNCOOKIES = "net.ipv4.tcp_syncookies"
MAX_SYN_BACKLOG = "net.ipv4.tcp_max_syn_backlog"

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
    Scenario(
        "a server whose SYN queue is full of half-open connections, without and with SYN cookies",
        {ALL: "without cookies ETIMEDOUT after {give_up}; with cookies every attempt connects at once"},
        frozenset({Cause.SYN_QUEUE}),
        Plan(
            scenario="syn-queue",
            source=ADDRESSES[4][CLIENT],
            target=ADDRESSES[4][SERVER],
            world=World(topology=Topology.TWO_CLIENTS),
            attempts=400,  # fewer than the accept queue has room for
            window=400,
            rate_per_s=200,
            sysctls=SHORT_LADDER | {MAX_SYN_BACKLOG: "4096"},
            # Fillers whose SYN-ACKs are all sent again at once must fit net.core.netdev_max_backlog (1,000): a request
            # whose SYN-ACK cannot be sent is given up (reqsk_timer_handler()), which leaves room in the queue.
            acts={
                "cookies 0, backlog full": {"sysctls": {SYNCOOKIES: "0"}, "backlog": 600, "fillers": 640},
                "cookies 0, sysctl full": {
                    "sysctls": {SYNCOOKIES: "0", MAX_SYN_BACKLOG: "8"},
                    "fillers": 10,
                },
                "cookies 1": {"sysctls": {SYNCOOKIES: "1"}, "backlog": 600, "fillers": 640},
                "cookies 2": {"sysctls": {SYNCOOKIES: "2"}, "window": 1},
                "baseline": {"sysctls": {SYNCOOKIES: "0"}, "window": 1},
            },
        ),
        waits_for_give_up=True,
    ),
)
