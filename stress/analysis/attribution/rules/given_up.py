# SPDX-License-Identifier: MIT
"""Attempts given up at a moment at which hastened and other attempts have sent as many SYNs: counters tell them apart.

Whoever gets the answer of an old socket sends an RST, and two jiffies later its SYN again: so soon that the socket
withholds its answer (net.ipv4.tcp_invalid_ratelimit, tcp_oow_rate_limited(), tcp_timewait_check_oow_rate_limit(), Linux
6.18). Other SYNs are at least the first timeout apart, so that no attempt can have more than one such answer.
"""

import numpy as np

from stress.analysis.attribution.counter_sums import WITHHELD
from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.ladder import INITIAL_RTO_NS
from stress.analysis.attribution.lasting import on_lasting_socket
from stress.analysis.attribution.rules.challenge import count_withheld
from stress.analysis.attribution.rules.collision import count_challenged
from stress.analysis.attribution.rules.interception import count_unanswered_challenges
from stress.analysis.attribution.rules.rule import Mask, Match, Rule
from stress.analysis.attribution.rules.time_wait import ignores_rst
from stress.analysis.attribution.syns import CHALLENGING_STATES, TIME_WAIT, Gap
from stress.model.outcome import Cause, Outcome
from stress.model.summary import Grade
from stress.model.world import SERVER

RATE_LIMIT_MS = "net.ipv4.tcp_invalid_ratelimit"
MAX_RATE_LIMIT_MS = INITIAL_RTO_NS // 1_000_000 - 100  # a SYN may be delayed by so much, and the next one not


def is_unclear(facts: Facts) -> Mask:
    """Return which attempts were given up when their first gap could not be told, shape (rows,)."""
    unclear: Mask = (facts.syns.gap == Gap.UNCLEAR) & facts.ended_as(Outcome.UNFINISHED)
    return unclear


def has_one_each(facts: Facts, attempts: Mask, withheld: int) -> bool:
    """Return whether as many answers were withheld as there are attempts, of which each can have one at most.

    Args:
        facts: of the storm.
        attempts: on old sockets that are left, shape (rows,).
        withheld: answers that sockets did not give, because they had given one just before.
    """
    limit_ms = int(facts.sysctl_at(SERVER, RATE_LIMIT_MS) or 0)
    tuples = facts.storm.tuples(facts.attempts[attempts])
    is_shared = len(np.unique(tuples)) < len(tuples)  # by attempts of which one may begin as another ends
    return withheld == len(tuples) and not is_shared and 0 < limit_ms <= MAX_RATE_LIMIT_MS


def count_answers(facts: Facts) -> int | None:
    """Return how many RSTs answered an old socket; None where some may have been sent for another reason.

    Each connection that is reset by a close, or by an RST that clears an old socket, is in EstabResets at most twice.
    """
    unanswered = count_unanswered_challenges(facts)
    closes = int((facts.storm.attempts["error"] == 0).sum()) if facts.storm.act.plan.close.sends_rst else 0
    cleared = int((facts.syns.met_mine & ~facts.syns.mine_left).sum())
    if unanswered is None or facts.moved("EstabResets") > 2 * closes + cleared:
        return None
    return facts.moved("TCPChallengeACK") - unanswered


def has_lost(facts: Facts, segments: int) -> bool:
    """Return whether exactly so many segments were sent that no TCP received."""
    balance = facts.balance
    return balance is not None and balance.low == balance.high == segments


def prove_rst_dropped(facts: Facts) -> Match | None:
    """Match attempts that answered each challenge ACK by an RST, where no such RST came to a TCP."""
    lasting = on_lasting_socket(facts, CHALLENGING_STATES) & facts.syns.met_mine
    attempts = lasting & is_unclear(facts)
    challenges, skipped = facts.moved("TCPChallengeACK"), facts.moved("TCPACKSkippedChallenge")
    if not attempts.any() or facts.moved("TCPSYNChallenge") != count_challenged(facts) or count_withheld(facts):
        return None
    if count_answers(facts) != challenges or not has_one_each(facts, lasting, skipped):
        return None
    swallowed = int(facts.syns.challenged[lasting].sum(dtype=np.int64)) - skipped
    if facts.unanswered or not has_lost(facts, swallowed):
        return None
    return Match(attempts, {"challenges": challenges, "skipped": skipped, "swallowed": swallowed})


def prove_time_wait(facts: Facts) -> Match | None:
    """Match attempts whose SYNs all met a socket in TIME_WAIT that no RST removes, where nothing was swallowed."""
    lasting = on_lasting_socket(facts, (TIME_WAIT,))
    attempts = lasting & is_unclear(facts)
    if not attempts.any() or not ignores_rst(facts) or facts.moved("TCPSYNChallenge"):
        return None
    answered, skipped = count_answers(facts), facts.moved(WITHHELD)
    sent = int((facts.attempts["retransmits"][lasting].astype(np.int64) + 1).sum())
    if answered is None or answered + skipped != sent or not has_one_each(facts, lasting, skipped):
        return None
    if not has_lost(facts, 0):
        return None
    return Match(attempts, {"sent": sent, "answered": answered, "skipped": skipped})


GIVEN_UP = (
    "an attempt that was given up when its first gap could not be told; nobody else in the namespace sent a SYN, no "
    "refusal; tcp_invalid_ratelimit below the first timeout"
)

RULES = (
    Rule(
        name="rst_dropped.given_up",
        cause=Cause.RST_DROPPED,
        grade=Grade.COUNTED,
        needs=f"an old socket on the 4-tuple, the same after the storm by its cookie; {GIVEN_UP}",
        equation="TCPSYNChallenge = SYNs that met such sockets = TCPChallengeACK + TCPACKSkippedChallenge; OutRsts - "
        "EmbryonicRsts - reset closes = TCPChallengeACK; TCPACKSkippedChallenge = attempts on sockets that are left, "
        "each of which can have one at most; segment balance = challenge ACKs to these attempts; EstabResets <= 2 * "
        "reset closes + sockets cleared",
        sentence="each of {challenges:,} challenge ACKs was answered by an RST, and {skipped:,} were withheld because "
        "a SYN came two jiffies after the first; {swallowed:,} RSTs came to no TCP, and the old sockets are still "
        "there",
        prove=prove_rst_dropped,
        rests_on=("TCPSYNChallenge",),
    ),
    Rule(
        name="time_wait.given_up",
        cause=Cause.TIME_WAIT,
        grade=Grade.COUNTED,
        needs="a socket of the server in TIME_WAIT on the 4-tuple, the same after the storm by its cookie, and "
        f"tcp_rfc1337=1; {GIVEN_UP}",
        equation="OutRsts - EmbryonicRsts - reset closes + TCPACKSkippedTimeWait = SYNs of attempts on such sockets; "
        "TCPACKSkippedTimeWait = these attempts, each of which can have one at most; segment balance = "
        "TCPSYNChallenge = 0; EstabResets <= 2 * reset closes + sockets cleared",
        sentence="all {sent:,} SYNs met sockets in TIME_WAIT, which no RST removes (tcp_rfc1337): {answered:,} ACKs "
        "were answered by an RST, and {skipped:,} were withheld because a SYN came two jiffies after the first",
        prove=prove_time_wait,
    ),
)
