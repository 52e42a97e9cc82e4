# SPDX-License-Identifier: MIT
"""The books: what the attempts say, held against the kernel's counters."""

import errno
from collections.abc import Iterator

import numpy as np

from stress.analysis.attribution.cause import count_cleared_mines
from stress.analysis.attribution.collision import is_port_freed_at_once
from stress.analysis.attribution.outcome import has_sent_syn
from stress.analysis.attribution.port_reuse import TCP_TIMEWAIT_LEN_NS
from stress.analysis.attribution.syns import Syns
from stress.lab.counters import LO_DROPPED
from stress.model.plan import Close, Drop, Release, Serve
from stress.model.run import Storm
from stress.model.summary import Claim

UNANSWERED_CLAIM = "SYNs left unanswered"
RSTS_CLAIM = "RSTs: reset closes, refusals, mines cleared"
UNLIMITED_CHALLENGE_ACKS = 1 << 30  # tcp_challenge_ack_limit above this is never reached (the default is INT_MAX)


def check_books(storm: Storm, syns: Syns) -> list[Claim]:
    """Return every claim that a storm's plan allows to be made exactly."""
    return [
        Claim(storm.act.name, claim, value, counter, delta, value == delta)
        for claim, value, counter, delta in exact_claims(storm, syns)
    ]


def exact_claims(storm: Storm, syns: Syns) -> Iterator[tuple[str, int, str, int]]:
    """Yield (claim, value, counter, delta).

    EmbryonicRsts counts connections that only the client saw, for it reset them before the server had made its socket.
    Either the RST overtook the handshake's ACK on another CPU; then the late ACK is answered by one RST more. Or that
    ACK found the accept queue full, its last place taken since the SYN (tcp_v4_syn_recv_sock()); then ListenOverflows
    has one more. Which of the two it was, no counter says; where both are possible the sum is claimed.
    """
    act, attempts = storm.act, storm.attempts
    counters, plan = act.counters, act.plan
    embryonic = counters.get("EmbryonicRsts", 0)
    connected = int((attempts["error"] == 0).sum())
    refused = int((attempts["error"] == errno.ECONNREFUSED).sum())
    closes = connected if plan.close.resets else 0
    challenged = int(syns.challenged.sum())
    unanswered = int(syns.unanswered.sum())
    mines = count_cleared_mines(storm, syns)
    lo_dropped = counters.get(LO_DROPPED, 0)  # runs of schema 1 did not read it
    lost = {each: counters[each] + lo_dropped for each in ("ListenOverflows", "ListenDrops")}
    rsts_known = plan.drop in (Drop.NOTHING, Drop.INVALID)
    rsts = closes + refused + mines
    either = rsts_known and embryonic > 0 and any(lost.values())

    yield "attempts that sent a SYN", int(has_sent_syn(attempts).sum()), "ActiveOpens", counters["ActiveOpens"]
    yield (
        "attempts that connected",
        connected,
        "accepted by the server + in its queue + EmbryonicRsts",
        act.listener.accepted + act.waiting + embryonic,
    )
    yield (
        "SYNs sent again",
        int(attempts["retransmits"].sum(dtype=np.int64)),
        "TCPSynRetrans",
        counters["TCPSynRetrans"],
    )
    yield "SYNs that met a mine", challenged, "TCPSYNChallenge", counters["TCPSYNChallenge"]
    for counter, count in lost.items():
        if either:
            yield (
                f"{UNANSWERED_CLAIM} + RSTs",
                unanswered + rsts,
                f"{counter} + {LO_DROPPED} + OutRsts - EmbryonicRsts",
                count + counters["OutRsts"] - embryonic,
            )
        else:
            yield UNANSWERED_CLAIM, unanswered, f"{counter} + {LO_DROPPED}", count
    if is_port_freed_at_once(storm):
        # Which ports were in TIME_WAIT no counter says; and a server that closes while a SYN meets its socket may send
        # a FIN, and get an RST, more.
        if rsts_known:
            yield "mines cleared by an RST", mines, "TCPChallengeACK", counters["TCPChallengeACK"]
        return
    yield (
        "connections over a port in TIME-WAIT or FIN-WAIT-2",
        count_recycled(storm),
        "TWRecycled",
        counters["TWRecycled"],
    )
    # A connection that the server closed first is no longer established there when the client's RST comes.
    first = act.listener.first if plan.close.resets else 0
    yield (
        "connections reset: both ends of a reset close, a mine",
        2 * closes + mines - first,
        "EstabResets + EmbryonicRsts",
        counters["EstabResets"] + embryonic,
    )
    if rsts_known:
        yield "mines cleared by an RST", mines, "TCPChallengeACK", counters["TCPChallengeACK"]
        if not either:
            yield RSTS_CLAIM, rsts, "OutRsts - EmbryonicRsts", counters["OutRsts"] - embryonic
    elif int(act.sysctls.get("net.ipv4.tcp_challenge_ack_limit", 0)) >= UNLIMITED_CHALLENGE_ACKS:
        yield (
            "SYNs that met a mine, answered or not",
            challenged,
            "TCPChallengeACK + TCPACKSkippedChallenge",
            counters["TCPChallengeACK"] + counters["TCPACKSkippedChallenge"],
        )
    for drop, what in (
        (Drop.RST, "RSTs that the rule dropped"),
        (Drop.CHALLENGE, "challenge ACKs that the rule dropped"),
    ):
        if drop in act.dropped:
            yield what, act.dropped[drop], "TCPChallengeACK", counters["TCPChallengeACK"]


def count_recycled(storm: Storm) -> int:
    """Return how many attempts connected from a port whose last connection had not left FIN_WAIT_2 or TIME_WAIT.

    A port that the client closed by FIN is in TIME_WAIT for a minute once the server has closed too, and connect() can
    have it before only by taking it over (tcp_twsk_unique()). Where the server leaks, FIN_WAIT_2 ends by itself.
    """
    plan, attempts = storm.act.plan, storm.attempts
    count = 0
    closed_first = plan.close is Close.FIN and plan.serve is Serve.CLOSE
    if plan.release is not Release.KEEP and not closed_first:
        return count
    connected = attempts[attempts["error"] == 0]
    if plan.release is Release.KEEP:
        count += len(np.intersect1d(storm.tuples(connected), storm.tuples(storm.mines)))
    if closed_first:
        tuples = storm.tuples(connected)
        order = np.argsort(tuples, kind="stable")
        same = np.diff(tuples[order]) == 0
        count += int((same & (np.diff(connected["start_ns"][order]) < TCP_TIMEWAIT_LEN_NS)).sum())
    return count
