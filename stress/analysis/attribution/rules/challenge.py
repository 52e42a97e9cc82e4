# SPDX-License-Identifier: MIT
"""Challenges: collisions whose challenge ACK, or the RST that answers it, did not arrive or was never sent."""

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.rules.collision import challenge_grade, count_challenged
from stress.analysis.attribution.rules.rule import Mask, Match, Prover, Rule
from stress.analysis.attribution.syns import CHALLENGING_STATES, Gap
from stress.model.outcome import Cause, Outcome
from stress.model.summary import Grade
from stress.model.world import Drop

CHALLENGES = ("TCPSYNChallenge",)


def unresponsive(facts: Facts) -> Mask:
    """Return which attempts got a challenge ACK, did not connect, and left their mine, shape (rows,)."""
    left = facts.syns.met_mine & facts.syns.mine_left & facts.fast
    return left & ~facts.ended_as(Outcome.RETRIED) & np.isin(facts.syns.mine_state, CHALLENGING_STATES)


def prove_rst_dropped_by_kernel(facts: Facts) -> Match | None:
    """Match attempts of which the kernel says that it dropped their RST."""
    if facts.kernel is None:
        return None
    attempts = unresponsive(facts) & (facts.kernel.rsts_lost > 0)
    return Match(attempts, {"dropped": int(facts.kernel.rsts_lost[attempts].sum())}) if attempts.any() else None


def prove_rst_dropped(facts: Facts) -> Match | None:
    """Match attempts that must have sent an RST which the mine never got."""
    grade, attempts = challenge_grade(facts), unresponsive(facts)
    if grade is None or not attempts.any():
        return None
    figures = {"challenged": count_challenged(facts), "counted": facts.moved("TCPSYNChallenge")}
    return Match(attempts, figures, grade)


def prove_dropped_by_rule(drop: Drop) -> Prover:
    """Return a function that matches, on kernels before 5.6, attempts in front of the laboratory's own rule."""

    def prove(facts: Facts) -> Match | None:
        dropped = facts.storm.act.dropped.get(drop, 0)
        syns = facts.syns
        attempts = syns.met_mine & syns.mine_left & (syns.gap == Gap.UNCLEAR) & ~facts.ended_as(Outcome.RETRIED)
        if not dropped or dropped != facts.moved("TCPChallengeACK") or not attempts.any():
            return None
        return Match(attempts, {"dropped": dropped})

    return prove


def slow_on_mine(facts: Facts) -> Mask:
    """Return which attempts met a mine that sent no challenge ACK, or whose challenge ACK did not arrive."""
    syns = facts.syns
    slow = (syns.gap == Gap.TIMEOUT) | ((syns.gap == Gap.UNCLEAR) & (facts.attempts["retransmits"] > 1))
    attempts: Mask = syns.met_mine & slow & np.isin(syns.mine_state, CHALLENGING_STATES)
    return attempts


def count_withheld(facts: Facts) -> int:
    """Return how many challenge ACKs tcp_challenge_ack_limit withheld (tcp_send_challenge_ack()).

    They have no counter of their own, but every SYN that met a socket is counted, and those that were answered, or
    were not because the socket had answered just before.
    """
    counted = (facts.moved(name) for name in ("TCPChallengeACK", "TCPACKSkippedChallenge"))
    return facts.moved("TCPSYNChallenge") - sum(counted)


def may_be_withheld(facts: Facts) -> npt.NDArray[np.int64]:
    """Return how many challenge ACKs to each attempt may have been withheld, shape (rows,).

    A mine that was cleared got its RST because of the last SYN that met it, so at most all before; of a mine that was
    left, all.
    """
    challenged = facts.syns.challenged.astype(np.int64)
    return np.where(facts.syns.mine_left, challenged, np.maximum(challenged - 1, 0))


def prove_challenge_limited(facts: Facts) -> Match | None:
    """Match attempts whose challenge ACKs were withheld.

    No attempt can have more of them than may be withheld: where as many were as all may have, each has all of its
    own, and none of its SYNs before the last was answered, late or in time.
    """
    slow = slow_on_mine(facts)
    withheld, by_attempts = count_withheld(facts), may_be_withheld(facts)
    attempts = slow & (by_attempts > 0)
    if withheld != int(by_attempts.sum()):  # others may have had some in their place
        attempts &= ~facts.may_be_late
    complete = facts.has_counters and facts.moved("TCPSYNChallenge") == count_challenged(facts)
    if not complete or withheld <= 0 or withheld != int(by_attempts[slow].sum()):
        return None
    return Match(attempts, {"withheld": withheld, "challenged": count_challenged(facts)})


def prove_challenge_dropped_by_kernel(facts: Facts) -> Match | None:
    """Match attempts of which the kernel says that it dropped the challenge ACK."""
    if facts.kernel is None:
        return None
    attempts = slow_on_mine(facts) & facts.syns.mine_left & (facts.kernel.challenges_lost > 0) & ~facts.may_be_late
    return Match(attempts, {"dropped": int(facts.kernel.challenges_lost[attempts].sum())}) if attempts.any() else None


def count_answers(facts: Facts) -> int:
    """Return how many RSTs at most the clients sent to answer challenge ACKs.

    One more answers a handshake's last ACK that an RST has overtaken (EmbryonicRsts); of others nobody knows that.
    """
    plan, crossings = facts.storm.act.plan, facts.crossings
    connected = int((facts.storm.attempts["error"] == 0).sum())
    sent = facts.moved("OutRsts") if crossings is None else crossings.client_rsts.left
    overtaken = facts.moved("EmbryonicRsts") if facts.alone and crossings is None else 0
    return sent - overtaken - (connected if plan.close.sends_rst else 0)


def prove_challenge_dropped(facts: Facts) -> Match | None:
    """Match attempts whose challenge ACKs were all sent and did not arrive.

    A client that did not run for a second saw the end of a short gap as late as that of a long one, so that time proves
    nothing here. But who gets a challenge ACK answers it by an RST: there are no more of these than short gaps.
    """
    # An attempt that was given up too soon to tell its first gap may have got one, and lost its RST.
    attempts = slow_on_mine(facts) & facts.syns.mine_left & (facts.syns.gap == Gap.TIMEOUT) & ~facts.may_be_late
    counted, challenged = facts.moved("TCPSYNChallenge"), count_challenged(facts)
    if not facts.has_counters or counted != challenged or count_withheld(facts) != 0 or not attempts.any():
        return None
    if count_answers(facts) > int((facts.fast & facts.syns.met_mine).sum()):
        return None
    if facts.storm.act.segments_in_flight:  # the challenge ACKs may be among them, or the RSTs that answer them
        return None
    return Match(attempts, {"counted": counted, "sent": facts.moved("TCPChallengeACK")})


RULES = (
    Rule(
        name="rst_dropped.kernel",
        cause=Cause.RST_DROPPED,
        grade=Grade.KERNEL,
        needs="the kernel's own word; the old socket still there by its cookie; a resend after two jiffies",
        equation="an event for a dropped RST of each attempt's 4-tuple",
        sentence="the kernel dropped {dropped:,} RSTs that answer a challenge ACK",
        prove=prove_rst_dropped_by_kernel,
    ),
    Rule(
        name="rst_dropped",
        cause=Cause.RST_DROPPED,
        grade=Grade.COUNTED,
        needs="an old socket on the 4-tuple, the same after the storm by its cookie; a resend after two jiffies, so "
        "that the challenge ACK came and was answered by an RST; the attempt did not connect",
        equation="TCPSYNChallenge = SYNs that met such sockets; with more, the proof is the 4-tuple and the gap",
        sentence="each got a challenge ACK and answered it, and the old socket is still there; {challenged:,} SYNs met "
        "one, TCPSYNChallenge rose by {counted:,}",
        prove=prove_rst_dropped,
    ),
    Rule(
        name="rst_dropped.rule",
        cause=Cause.RST_DROPPED,
        grade=Grade.COUNTED,
        needs="a kernel before 5.6, which has no short gap, and the laboratory's own rule",
        equation="RSTs that the rule dropped = TCPChallengeACK",
        sentence="the rule dropped {dropped:,} RSTs, as many as there were challenge ACKs",
        prove=prove_dropped_by_rule(Drop.RST),
    ),
    Rule(
        name="challenge_limited",
        cause=Cause.CHALLENGE_LIMITED,
        grade=Grade.COUNTED,
        needs="an old socket on the 4-tuple, and a first gap as long as the first timeout",
        equation="TCPSYNChallenge = SYNs that met such sockets, and TCPSYNChallenge - TCPChallengeACK - "
        "TCPACKSkippedChallenge = SYNs of these attempts without an answer",
        sentence="of {challenged:,} SYNs that met an old socket, the kernel left {withheld:,} without a challenge ACK",
        prove=prove_challenge_limited,
        rests_on=CHALLENGES,
    ),
    Rule(
        name="challenge_dropped.kernel",
        cause=Cause.CHALLENGE_DROPPED,
        grade=Grade.KERNEL,
        needs="the kernel's own word; an old socket on the 4-tuple, still there; a first gap as long as the timeout",
        equation="an event for a dropped challenge ACK of each attempt's 4-tuple",
        sentence="the kernel dropped {dropped:,} challenge ACKs",
        prove=prove_challenge_dropped_by_kernel,
    ),
    Rule(
        name="challenge_dropped",
        cause=Cause.CHALLENGE_DROPPED,
        grade=Grade.COUNTED,
        needs="an old socket on the 4-tuple, the same after the storm; a first gap as long as the first timeout",
        equation="TCPSYNChallenge = SYNs that met such sockets = TCPChallengeACK + TCPACKSkippedChallenge, and RSTs "
        "sent - reset closes - EmbryonicRsts <= attempts with a short gap: no other answered a challenge ACK",
        sentence="{counted:,} SYNs met an old socket, {sent:,} challenge ACKs were sent, and none of these attempts "
        "got one",
        prove=prove_challenge_dropped,
        rests_on=CHALLENGES,
    ),
    Rule(
        name="challenge_dropped.rule",
        cause=Cause.CHALLENGE_DROPPED,
        grade=Grade.COUNTED,
        needs="a kernel before 5.6, which has no short gap, and the laboratory's own rule",
        equation="challenge ACKs that the rule dropped = TCPChallengeACK",
        sentence="the rule dropped {dropped:,} challenge ACKs, as many as were sent",
        prove=prove_dropped_by_rule(Drop.CHALLENGE),
    ),
)
