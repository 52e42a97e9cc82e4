# SPDX-License-Identifier: MIT
"""Meetings with TIME_WAIT: SYNs that a socket of the server in TIME_WAIT answered with an ACK.

It lets a connection begin only if the SYN's timestamp, or without timestamps its sequence number, is newer than what it
has seen (tcp_timewait_state_process(), Linux 6.18). The clocks of two hosts behind one address are not the same.
"""

import numpy as np

from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.mine_counts import PAWS, sum_paws
from stress.analysis.attribution.rules.collision import cleared, count_challenged, kernel_grade
from stress.analysis.attribution.rules.rule import Mask, Match, Rule
from stress.analysis.attribution.syns import TIME_WAIT
from stress.model.outcome import Cause, Outcome
from stress.model.summary import Grade
from stress.model.world import SERVER

RFC1337 = "net.ipv4.tcp_rfc1337"


def ignores_rst(facts: Facts) -> bool:
    """Return whether the server's TIME_WAIT sockets ignore RSTs, so that each SYN of an attempt meets its socket."""
    return facts.sysctl_at(SERVER, RFC1337) == "1"


def met_time_wait(facts: Facts) -> Mask:
    """Return which attempts met a known TIME_WAIT socket that answered, shape (rows,)."""
    syns = facts.syns
    attempts = cleared(facts)
    if ignores_rst(facts):
        attempts = attempts | (facts.fast & syns.met_mine & syns.mine_left)
    known: Mask = attempts & (syns.mine_state == TIME_WAIT)
    return known


def prove_time_wait(facts: Facts) -> Match | None:
    """Match attempts whose SYN met a TIME_WAIT socket that the census knew."""
    attempts = met_time_wait(facts)
    if not attempts.any():
        return None
    met, (paws, counted) = int(facts.syns.challenged[attempts].sum()), sum_paws(facts.counters)
    grade = Grade.COUNTED if facts.has_counters and counted == met else Grade.TIMED
    return Match(attempts, {"met": met, "paws": paws, "counted": counted}, kernel_grade(facts, attempts, grade))


def prove_rst_dropped(facts: Facts) -> Match | None:
    """Match attempts whose RST did not clear the TIME_WAIT socket that they met, though nothing there forbids that."""
    syns = facts.syns
    attempts = facts.fast & syns.met_mine & syns.mine_left & (syns.mine_state == TIME_WAIT)
    attempts &= ~facts.ended_as(Outcome.RETRIED)
    if facts.sysctl_at(SERVER, RFC1337) != "0" or not attempts.any():
        return None
    return Match(attempts, {"met": int(syns.challenged[attempts].sum())})


def prove_time_wait_by_timestamps(facts: Facts) -> Match | None:
    """Match hastened attempts without a known socket, where every one of their SYNs was refused for its timestamp.

    That is as many as there can be: of an attempt that connected all but the last, of one that timed out all. Behind
    address translation the next SYN may get another port, and meet another socket. Why the RST of one that timed out
    did not clear the socket is known only where tcp_rfc1337 forbids that.
    """
    syns, retransmits = facts.syns, facts.attempts["retransmits"].astype(np.int64)
    hastened = facts.fast & ~syns.met_mine & ~syns.unresolved
    connected, always = facts.ended_as(Outcome.RETRIED), facts.ended_as(Outcome.TIMED_OUT)
    if (hastened & ~connected & ~always).any() or not facts.alone or facts.storm.act.outside_packets != 0:
        return None
    if (hastened & connected & (retransmits > 1)).any() and (facts.left_waiting & ~hastened).any():
        return None  # an answer that the counter has may have been one of theirs
    refused = int(np.where(always, retransmits + 1, retransmits)[hastened].sum())
    known = int(syns.challenged[met_time_wait(facts)].sum())
    if facts.moved(PAWS) != refused + known or facts.moved("TCPSYNChallenge") != count_challenged(facts):
        return None
    attempts = hastened & (connected | ignores_rst(facts))
    return Match(attempts, {"refused": refused}) if attempts.any() else None


RULES = (
    Rule(
        name="time_wait",
        cause=Cause.TIME_WAIT,
        grade=Grade.COUNTED,
        needs="a socket of the server in TIME_WAIT on the 4-tuple before the storm, as the server sees it behind the "
        "laboratory's router, and gone after the storm by its cookie, or protected by tcp_rfc1337; the first SYN sent "
        "again after two jiffies",
        equation="PAWSTimewait (before Linux 6.16 PAWSEstab) = SYNs that met such sockets; with timestamps off no "
        "counter rises, and the proof is the 4-tuple and the gap",
        sentence="{met:,} SYNs met sockets in TIME_WAIT; {paws} rose by {counted:,}",
        prove=prove_time_wait,
    ),
    Rule(
        name="rst_dropped.time_wait",
        cause=Cause.RST_DROPPED,
        grade=Grade.TIMED,
        needs="a socket of the server in TIME_WAIT on the 4-tuple, the same after the storm by its cookie, and "
        "tcp_rfc1337=0, so that an RST would have removed it; a resend after two jiffies, so that the socket's ACK "
        "came and was answered by an RST; the attempt did not connect",
        equation="no counter; the proof is the 4-tuple and the gap",
        sentence="{met:,} SYNs met sockets in TIME_WAIT, each first one was answered, and the RSTs did not remove them",
        prove=prove_rst_dropped,
    ),
    Rule(
        name="time_wait.timestamps",
        cause=Cause.TIME_WAIT,
        grade=Grade.COUNTED,
        needs="nobody else in the namespace, and nothing from outside; the first SYN sent again after two jiffies; no "
        "old socket on the 4-tuple, as where a router on the way changes it",
        equation="PAWSTimewait = SYNs of all such attempts, but for the last SYN of those that connected; and "
        "TCPSYNChallenge = SYNs that met other old sockets; where more than one SYN of an attempt was, no "
        "attempt waited that was not hastened; of those that timed out only with tcp_rfc1337=1",
        sentence="{refused:,} SYNs were refused by sockets in TIME_WAIT for their timestamps (PAWSTimewait), as many "
        "as were answered by an old socket",
        prove=prove_time_wait_by_timestamps,
    ),
)
