# SPDX-License-Identifier: MIT
"""Stalls: the client itself did not run, so that it saw late what had happened in time."""

from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.lateness import overlap_ns
from stress.analysis.attribution.rules.rule import Match, Rule
from stress.model.outcome import Cause, Outcome
from stress.model.summary import Grade


def prove_stalled(facts: Facts) -> Match | None:
    """Match attempts whose whole delay, but for a jiffy, lies in stalls of their worker.

    A SYN is sent again only when the one before got no answer, which no stall of the client causes.
    """
    latency_ns = facts.attempts["latency_ns"]
    rest_ns = facts.attempts["latency_ns"] - overlap_ns(facts.storm, facts.attempts)
    late = (latency_ns > facts.at_once_ns) | ~facts.ended_as(Outcome.CONNECTED)  # not one whose use failed
    attempts = late & (rest_ns <= facts.at_once_ns) & facts.ended_as(Outcome.CONNECTED, Outcome.UNFINISHED)
    attempts &= facts.attempts["retransmits"] == 0
    stalls = facts.storm.act.stalls
    if not attempts.any() or not stalls:
        return None
    longest_ms = max(stall.end_ns - stall.start_ns for stall in stalls) / 1e6
    return Match(attempts, {"stalls": len(stalls), "longest_ms": longest_ms})


RULES = (
    Rule(
        name="stalled",
        cause=Cause.STALLED,
        grade=Grade.TIMED,
        needs="stalls that the client's loop saw: two readings of its clock, or the end of a sleep, more than a jiffy "
        "late; or a connect() during which the thread was runnable and did not run (schedstat)",
        equation="latency - time in stalls <= 1 jiffy, and no SYN was sent again",
        sentence="the client did not run: {stalls:,} stalls, the longest of {longest_ms:,.1f} ms",
        prove=prove_stalled,
    ),
)
