# SPDX-License-Identifier: MIT
"""Stalls: the client itself did not run, so that it saw late what had happened in time."""

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.rules.rule import Match, Rule
from stress.model.outcome import Cause, Outcome
from stress.model.stall import StallKind
from stress.model.summary import Grade

SLEEP_NS = 11_000_000  # the longest sleep that the loop asks for; a stall in a sleep is known to last from its end on


def overlap_ns(facts: Facts) -> npt.NDArray[np.int64]:
    """Return for how long of its latency each attempt was in flight during stalls of its worker, shape (rows,)."""
    starts = facts.attempts["start_ns"]
    ends = starts + facts.attempts["latency_ns"]
    overlap = np.zeros(len(facts.rows), np.int64)
    for stall in facts.storm.act.stalls:
        began_ns = stall.start_ns + (SLEEP_NS if stall.kind is StallKind.SLEEP else 0)
        both = np.minimum(ends, stall.end_ns) - np.maximum(starts, began_ns)
        overlap += np.where(facts.attempts["worker"] == stall.worker, np.maximum(both, 0), 0)
    return overlap


def prove_stalled(facts: Facts) -> Match | None:
    """Match attempts whose whole delay, but for a jiffy, lies in stalls of their worker.

    A SYN is sent again only when the one before got no answer, which no stall of the client causes.
    """
    latency_ns = facts.attempts["latency_ns"]
    rest_ns = facts.attempts["latency_ns"] - overlap_ns(facts)
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
