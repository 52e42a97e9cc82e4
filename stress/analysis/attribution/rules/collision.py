# SPDX-License-Identifier: MIT
"""Collisions: SYNs that met an old socket of the server on their 4-tuple, which an RST then cleared.

The challenge ACK is RFC 5961 section 4; the resend after two jiffies is commit 9603d47bad46 (Linux 5.6).
"""

import numpy as np

from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.rules.rule import Mask, Match, Rule
from stress.analysis.attribution.syns import CHALLENGING_STATES, SYN_RECEIVED, TIME_WAIT, Gap
from stress.lab.census import state_name
from stress.model.outcome import Cause, Outcome
from stress.model.run import CLOSE_WAIT
from stress.model.summary import Grade
from stress.model.world import SERVER


def count_challenged(facts: Facts) -> int:
    """Return how many SYNs met a socket that answers with a challenge ACK."""
    met = facts.syns.met_mine & np.isin(facts.syns.mine_state, CHALLENGING_STATES)
    return int(facts.syns.challenged[met].sum())


def challenge_grade(facts: Facts) -> Grade | None:
    """Return the grade of proof for SYNs that met a socket; None where the kernel counted fewer than that."""
    challenged, counted = count_challenged(facts), facts.moved("TCPSYNChallenge")
    if not facts.has_counters or counted < challenged:
        return None
    return Grade.COUNTED if counted == challenged else Grade.TIMED


def kernel_grade(facts: Facts, attempts: Mask, grade: Grade) -> Grade:
    """Return KERNEL where the kernel named a SYN of every one of the attempts as refused by a socket."""
    said = facts.kernel is not None and bool((facts.kernel.met_socket[attempts] > 0).all())
    return Grade.KERNEL if said else grade


def cleared(facts: Facts) -> Mask:
    """Return which attempts cleared their mine by the RST that answers the challenge ACK, shape (rows,).

    The resend after two jiffies connected, or was the first of several; or on kernels before 5.6, and for attempts
    given up too soon to tell, a single SYN met the mine and the mine is gone.
    """
    syns, retransmits = facts.syns, facts.attempts["retransmits"]
    gone = syns.met_mine & ~syns.mine_left
    unclear = gone & (syns.gap == Gap.UNCLEAR) & facts.ended_as(Outcome.RETRIED) & (retransmits == 1)
    waiting = gone & (syns.challenged == 1) & (syns.unanswered == 0) & facts.ended_as(Outcome.UNFINISHED)
    attempts: Mask = (gone & facts.fast) | unclear | (waiting & (syns.gap < Gap.TIMEOUT))
    return attempts


def prove_closewait(facts: Facts) -> Match | None:
    """Match attempts whose SYN met a CLOSE_WAIT socket that is gone since."""
    grade = challenge_grade(facts)
    attempts = cleared(facts) & (facts.syns.mine_state == CLOSE_WAIT)
    if grade is None or not attempts.any():
        return None
    figures = {"challenged": count_challenged(facts), "counted": facts.moved("TCPSYNChallenge")}
    return Match(attempts, figures, kernel_grade(facts, attempts, grade))


def prove_stale_socket(facts: Facts) -> Match | None:
    """Match attempts whose SYN met an old socket in any other state but TIME_WAIT."""
    syns = facts.syns
    attempts = cleared(facts) & ~np.isin(syns.mine_state, (CLOSE_WAIT, TIME_WAIT))
    grade = stale_socket_grade(facts, attempts)
    if grade is None or not attempts.any():
        return None
    states, counts = np.unique(syns.mine_state[attempts], return_counts=True)
    by_state = ", ".join(f"{count:,} in {state_name(state)}" for state, count in zip(states, counts, strict=True))
    return Match(attempts, {"states": by_state}, kernel_grade(facts, attempts, grade))


def stale_socket_grade(facts: Facts, attempts: Mask) -> Grade | None:
    """Return the grade of proof for attempts that met sockets in these states; None where a counter forbids it."""
    states = facts.syns.mine_state[attempts]
    requests = int((states == SYN_RECEIVED).sum())
    if requests and requests != facts.counters_at(SERVER).get("EmbryonicRsts"):
        return Grade.TIMED
    return challenge_grade(facts) if np.isin(states, CHALLENGING_STATES).any() else Grade.COUNTED


RULES = (
    Rule(
        name="closewait",
        cause=Cause.CLOSEWAIT,
        grade=Grade.COUNTED,
        needs="a CLOSE_WAIT socket of the server on the 4-tuple before the storm, gone after it by its cookie; the "
        "first SYN sent again after two jiffies (Linux 5.6 and later)",
        equation="TCPSYNChallenge = SYNs that met such sockets; with more, as on a host with collisions of others, "
        "the proof is the 4-tuple and the gap; with fewer there is none",
        sentence="{challenged:,} SYNs met an old socket, TCPSYNChallenge rose by {counted:,}; the sockets are gone",
        prove=prove_closewait,
    ),
    Rule(
        name="stale_socket",
        cause=Cause.STALE_SOCKET,
        grade=Grade.COUNTED,
        needs="a socket of the server in another state on the 4-tuple before the storm, gone after it by its cookie, "
        "the first SYN sent again after two jiffies",
        equation="TCPSYNChallenge = SYNs that met sockets which answer with a challenge ACK; EmbryonicRsts = those in "
        "SYN_RECEIVED, where no other connection was reset so early",
        sentence="the SYNs met old sockets: {states}",
        prove=prove_stale_socket,
    ),
)
