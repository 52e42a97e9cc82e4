# SPDX-License-Identifier: MIT
"""The books: what the attempts say, held against the kernel's counters."""

import errno
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.outcome import sent_syn
from stress.model.plan import Close, Drop
from stress.model.run import Run
from stress.model.summary import Claim

UNLIMITED = 1 << 30  # tcp_challenge_ack_limit above this is never reached (the default is INT_MAX)


def books(run: Run, met_mine: npt.NDArray[np.bool_]) -> list[Claim]:
    """Return every claim that this run's plan allows to be made exactly."""
    return [
        Claim(claim, value, counter, delta, value == delta) for claim, value, counter, delta in claims(run, met_mine)
    ]


def claims(run: Run, met_mine: npt.NDArray[np.bool_]) -> Iterator[tuple[str, int, str, int]]:
    """Yield (claim, value, counter, delta).

    EmbryonicRsts: a client's RST that overtook its own handshake's ACK on another CPU. The server never saw that
    connection, and answers the late ACK with one RST more.
    """
    record, attempts = run.record, run.attempts
    counters, plan = record.counters, record.plan
    embryonic = counters.get("EmbryonicRsts", 0)
    connected = int((attempts["error"] == 0).sum())
    cleared = len(run.mines) - record.mines_left

    yield "attempts that sent a SYN", int(sent_syn(attempts).sum()), "ActiveOpens", counters["ActiveOpens"]
    yield (
        "attempts that connected",
        connected,
        "accepted by the server + EmbryonicRsts",
        record.listener.accepted + embryonic,
    )
    yield (
        "SYNs sent again",
        int(attempts["retransmits"].sum(dtype=np.int64)),
        "TCPSynRetrans",
        counters["TCPSynRetrans"],
    )
    yield "SYNs that met a mine", challenged(attempts[met_mine]), "TCPSYNChallenge", counters["TCPSYNChallenge"]
    if plan.drop is Drop.NOTHING:
        refused = int((attempts["error"] == errno.ECONNREFUSED).sum())
        closes = connected if plan.close is Close.RST else 0
        yield "mines cleared by an RST", cleared, "TCPChallengeACK", counters["TCPChallengeACK"]
        yield (
            "RSTs: reset closes, refusals, mines cleared",
            closes + refused + cleared,
            "OutRsts - EmbryonicRsts",
            counters["OutRsts"] - embryonic,
        )
    elif int(record.host.sysctls.get("net.ipv4.tcp_challenge_ack_limit", 0)) >= UNLIMITED:
        yield (
            "SYNs that met a mine, answered or not",
            challenged(attempts[met_mine]),
            "TCPChallengeACK + TCPACKSkippedChallenge",
            counters["TCPChallengeACK"] + counters["TCPACKSkippedChallenge"],
        )


def challenged(collisions: npt.NDArray[Any]) -> int:
    """Return how many SYNs of these attempts reached a mine: all but the last of one that connected."""
    return int(collisions["retransmits"].sum(dtype=np.int64) + (collisions["error"] != 0).sum())
