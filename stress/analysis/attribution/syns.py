# SPDX-License-Identifier: MIT
"""What happened to the SYNs of each attempt: answered by a mine, not answered, or answered by the server."""

import errno
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.ladder import Ladder
from stress.analysis.attribution.outcome import has_sent_syn
from stress.model.run import Storm


class Gap(IntEnum):
    """How long an attempt waited before it first sent its SYN again."""

    NONE = 0  # it sent a single SYN
    FAST = 1  # too short for a SYN without an answer: a challenge ACK came (tcp_rcv_synsent_state_process())
    TIMEOUT = 2  # the whole first timeout: nothing that counts as an answer came
    UNCLEAR = 3


@dataclass(frozen=True)
class Syns:
    """The SYNs of each attempt of a storm; all arrays have the shape (attempts,).

    Attributes:
        gap: a Gap.
        met_mine: whether a SYN met a mine.
        mine_left: whether that mine was left after the storm.
        challenged: how many SYNs met the mine.
        unanswered: how many of the others got no answer.
    """

    gap: npt.NDArray[np.uint8]
    met_mine: npt.NDArray[np.bool_]
    mine_left: npt.NDArray[np.bool_]
    challenged: npt.NDArray[np.uint16]
    unanswered: npt.NDArray[np.uint16]

    def at(self, rows: npt.NDArray[np.intp]) -> "Syns":
        """Return the SYNs of some attempts.

        Args:
            rows: indices of the attempts, shape (rows,).
        """
        return Syns(
            self.gap[rows], self.met_mine[rows], self.mine_left[rows], self.challenged[rows], self.unanswered[rows]
        )


def classify_first_gaps(attempts: npt.NDArray[Any], ladder: Ladder) -> npt.NDArray[np.uint8]:
    """Return the Gap of each attempt, from its retransmits and the time they took.

    After an unanswered SYN the r-th retransmit is not due before the r-th rung. One that came earlier was hastened by
    a challenge ACK, which can only happen to the first resend (commit 9603d47bad46).
    """
    retransmits = attempts["retransmits"].astype(np.int64)
    latency_ns = attempts["latency_ns"]
    rungs_ns = np.array([0, *(rung.from_ns for rung in ladder.rungs), ladder.give_up_ns - ladder.jiffy_ns])
    place = np.minimum(retransmits, len(ladder.rungs))
    place += attempts["error"] == errno.ETIMEDOUT  # it has waited for the last timeout too
    gap = np.where(latency_ns < rungs_ns[place], Gap.FAST, Gap.TIMEOUT)
    if ladder.fast is None:
        gap[:] = Gap.UNCLEAR
    else:
        # An attempt that was given up has waited for some time since its last SYN. It may be on either ladder until
        # the hastened one would have sent the next SYN.
        hastened_ns = rungs_ns[np.minimum(place + 1, len(rungs_ns) - 1)] - rungs_ns[1] + ladder.fast.to_ns
        given_up = attempts["error"] == errno.EINPROGRESS
        gap[given_up & (gap == Gap.TIMEOUT) & (latency_ns < hastened_ns)] = Gap.UNCLEAR
    gap[retransmits == 0] = Gap.NONE
    return gap.astype(np.uint8)


def classify_syns(storm: Storm, met_mine: npt.NDArray[np.bool_], ladder: Ladder) -> Syns:
    """Return what happened to the SYNs of each attempt.

    A challenge ACK that arrives is answered by an RST. If the RST clears the mine, the server answers the next SYN; so
    of an attempt whose first gap was short, and whose mine is gone, one SYN met the mine. Where the first gap was long,
    every SYN met the mine, except for the last SYN if the attempt connected.

    Args:
        storm: what was observed.
        met_mine: from ``detect_collisions``.
        ladder: of the storm's kernel and settings.
    """
    attempts, count = storm.attempts, len(storm.attempts)
    gap = np.zeros(count, np.uint8)
    mine_left = np.zeros(count, np.bool_)
    challenged, unanswered = np.zeros(count, np.uint16), np.zeros(count, np.uint16)
    # Most attempts connected with their first SYN and need no more.
    rows = np.flatnonzero((attempts["error"] != 0) | (attempts["retransmits"] > 0))
    own, met = attempts[rows], met_mine[rows]
    gap[rows] = classify_first_gaps(own, ladder)
    left = np.zeros(storm.tuple_count, np.bool_)
    left[storm.tuples(storm.mines[storm.mines["left"] == 1])] = True
    mine_left[rows] = met & left[storm.tuples(own)]
    useless = np.where(has_sent_syn(own), own["retransmits"].astype(np.int64) + (own["error"] != 0), 0)
    refused = np.isin(own["error"], (errno.ECONNREFUSED, errno.ECONNRESET))
    useless = np.where(refused, useless - 1, useless)  # the last SYN was answered, by an RST
    once = met & ~mine_left[rows] & (gap[rows] == Gap.FAST)
    met_by_syns = np.where(met, np.where(once, np.minimum(useless, 1), useless), 0)
    challenged[rows], unanswered[rows] = met_by_syns, useless - met_by_syns
    return Syns(gap, met_mine, mine_left, challenged, unanswered)
