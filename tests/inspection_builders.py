# SPDX-License-Identifier: MIT
"""Inspections made by hand: of a host in trouble, of one where nothing is wrong, and of a watch."""

import msgspec

from stress.model.inspection import (
    Ages,
    Chance,
    Check,
    Conntrack,
    DestinationState,
    Explanation,
    Finding,
    Inspection,
    Interval,
    Leak,
    ListenerState,
    RemoteClient,
    SettingState,
    SocketOwner,
    TakenBy,
    Unseen,
    Watch,
)

PYTHON = SocketOwner(1000, "ada", 4711, "python3")
SOMEBODY = SocketOwner(33, "www-data")

LEAKING = ListenerState(
    address="127.0.0.1",
    port=8080,
    cookie=1,
    owner=PYTHON,
    holders=[4711, 4712],
    waiting=129,
    limit=128,
    is_capped=False,
    drops=40,
    states={"CLOSE-WAIT": 4012, "ESTABLISHED": 2},
)
QUIET = msgspec.structs.replace(
    LEAKING,
    address="10.0.0.5",
    port=22,
    cookie=2,
    owner=SOMEBODY,
    holders=[],
    waiting=0,
    limit=4096,
    is_capped=True,
    drops=0,
    states={"ESTABLISHED": 3},
)
LEAK = Leak(
    state="CLOSE-WAIT",
    owner=PYTHON,
    local="127.0.0.1:8080",
    peers={"127.0.0.1": 3900, "10.0.0.8": 100, "10.0.0.9": 10, "10.0.0.10": 2},
    peer_count=4,
    is_server=True,
    count=4012,
    unaccepted=12,
    ages=Ages(4000, 1_004, 3_870_000, 7_805_000),
    since_utc="2026-11-28T09:20:05+00:00",
    per_hour=1840.0,
)
DESTINATION = DestinationState(
    source="127.0.0.1",
    address="127.0.0.1",
    port=8080,
    usable=28_232,
    taken=[TakenBy(None, "TIME-WAIT", 22_000), TakenBy(PYTHON, "ESTABLISHED", 4232)],
    left=2000,
    searched=14.1,
    chance=Chance(
        mines=400,
        free=1000,
        parity="even",
        share=Interval(0.4, 0.37, 0.43),
        share_at_random=Interval(0.2, 0.18, 0.22),
        connects=100,
        of_connects=Interval(40, 30, 50),
    ),
)
FINE = Inspection(
    program="connstorm 0.2.0",
    taken_utc="2026-11-28T11:30:10+00:00",
    kernel="6.12.0",
    namespace="this one (net:[4026531840])",
    port=None,
    pid=None,
    verdict="Nothing is wrong here, as far as could be seen.",
    findings=[],
    ignored=[],
    sockets=3,
    states={"ESTABLISHED": 3},
    listeners=[QUIET],
    leaks=[],
    destinations=[],
    clients=[],
    settings=[SettingState("net.ipv4.tcp_syn_retries", "6", "connect() gives up after 127 s.")],
    conntrack=Conntrack(1200, 262_144, {}),
    counters={"ListenOverflows": 0},
    unseen=[Unseen("the processes of other users", "their descriptors in /proc are hidden", "As root they are shown.")],
)
TROUBLE = msgspec.structs.replace(
    FINE,
    verdict="python3[4711] leaks connections at 127.0.0.1:8080, and its accept queue is full.",
    findings=[
        Finding(
            check=Check.LISTENER_QUEUE,
            text="The accept queue of python3[4711] at 127.0.0.1:8080 is full: 129 wait, the limit is 128.",
            page="docs/catalogue.md#accept-queue",
            commands=["ss -ltn 'sport = :8080'"],
            remedies=["Let the program accept; restart python3[4711] if it stands still."],
        ),
        Finding(
            check=Check.CLOSE_WAIT_AGE,
            text="python3[4711] has not closed 4,012 connections whose clients have, at 127.0.0.1:8080, "
            "the oldest for at least 2 h 10 min, and 1,840 more every hour.",
            page="docs/catalogue.md#closewait",
            commands=["ss -tnp state close-wait 'sport = :8080'", "connstorm inspect --port 8080 --watch 10"],
            remedies=["Restart python3[4711].", "ss -K state close-wait 'sport = :8080'"],
        ),
        Finding(check=None, text="ListenOverflows is 40 since boot.", page="docs/catalogue.md#accept-queue"),
    ],
    sockets=30_261,
    states={"TIME-WAIT": 22_000, "CLOSE-WAIT": 4012, "ESTABLISHED": 4237, "SYN-SENT": 12},
    listeners=[QUIET, LEAKING, *(msgspec.structs.replace(QUIET, port=port, states={}) for port in range(9000, 9008))],
    leaks=[LEAK],
    destinations=[DESTINATION],
    clients=[RemoteClient("10.0.0.8", "10.0.0.5:8080", 100)],
    conntrack=Conntrack(1200, 262_144, {"insert_failed": 3, "drop": 2}),
    rules=["chain input: tcp dport 8080 ct state invalid drop"],
    counters={"ListenOverflows": 40, "ListenDrops": 40, "TCPSYNChallenge": 0},
)
WATCHED = msgspec.structs.replace(
    TROUBLE,
    ignored=[Check.CLOSE_WAIT_AGE],
    watch=Watch(
        seconds=10.0,
        counters={"ListenDrops": 12, "ListenOverflows": 12, "TCPTimeouts": 9},
        explanations=[
            Explanation(
                "12 SYNs or ACKs found an accept queue full: ListenOverflows = ListenDrops = 12.",
                "docs/catalogue.md#accept-queue",
                {"ListenOverflows": 12, "ListenDrops": 12},
            )
        ],
        listener_drops={"127.0.0.1:8080": 12},
        appeared={"CLOSE-WAIT": 5, "TIME-WAIT": 300},
        stayed={"CLOSE-WAIT": 4007, "ESTABLISHED": 4237},
        gone={"TIME-WAIT": 310},
        kernel={"127.0.0.1:8080": {"TCP_INVALID_SYN": 4}},
    ),
)
