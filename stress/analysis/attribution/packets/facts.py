# SPDX-License-Identifier: MIT
"""Packet facts: the connection tries of a capture, and the flows of each in the files that show it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.outcome import OUTCOMES
from stress.model.flow import Vantage
from stress.model.outcome import Outcome
from stress.model.units import SECOND_NS

Mask = npt.NDArray[np.bool_]
# A handshake may take so much longer than the shortest one between the same two addresses: two jiffies of 4 ms and the
# wake-up. A longer distance also varies more, so that its shortest handshake is added once.
LATE_NS = SECOND_NS // 100
INITIAL_HOPS = (32, 64, 128, 255)  # of packets that no router has passed on


@dataclass(frozen=True)
class PacketFacts:
    """What the packets say of the tries of one capture.

    Attributes:
        attempts: shape (attempts,), dtype ATTEMPT.
        outcomes: shape (attempts,), index into OUTCOMES.
        flows: shape (flows,), dtype FLOW; ``attempt`` is an index of ``attempts``.
    """

    attempts: npt.NDArray[Any]
    outcomes: npt.NDArray[np.uint8]
    flows: npt.NDArray[Any]

    def ended_as(self, *outcomes: Outcome) -> Mask:
        """Return which tries ended in one of some ways, shape (attempts,)."""
        return np.isin(self.outcomes, [OUTCOMES.index(outcome) for outcome in outcomes])

    def having(self, flows: Mask) -> Mask:
        """Return which tries have one of some flows, shape (attempts,).

        Args:
            flows: shape (flows,).
        """
        tries = np.zeros(len(self.attempts), np.bool_)
        tries[self.flows["attempt"][flows]] = True
        return tries

    def of_tries(self, tries: Mask) -> Mask:
        """Return which flows are those of some tries, shape (flows,).

        Args:
            tries: shape (attempts,).
        """
        flows: Mask = tries[self.flows["attempt"]]
        return flows

    @cached_property
    def pairs(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Two flows of one try in different files: their indices, shape (pairs,) each. Each pair is there both ways."""
        order = np.argsort(self.flows["attempt"], kind="stable")
        ordered = self.flows[["attempt", "file"]][order]
        first, second = ordered[:-1], ordered[1:]
        both = np.flatnonzero((first["attempt"] == second["attempt"]) & (first["file"] != second["file"]))
        one, other = order[both], order[both + 1]
        return np.concatenate([one, other]), np.concatenate([other, one])

    @cached_property
    def late(self) -> Mask:
        """Which tries connected with their first SYN, but much later than others with the same addresses."""
        latencies_ns = self.attempts["latency_ns"]
        connected = self.ended_as(Outcome.CONNECTED)
        _, pair = np.unique(self.attempts["address"], return_inverse=True)
        shortest_ns = np.full(pair.max(initial=-1) + 1, np.iinfo(np.int64).max)
        np.minimum.at(shortest_ns, pair[connected], latencies_ns[connected])
        late = np.zeros(len(self.attempts), np.bool_)
        late[connected] = latencies_ns[connected] > 2 * shortest_ns[pair[connected]] + LATE_NS
        return late

    @cached_property
    def shows_all_syns(self) -> Mask:
        """Which flows show every SYN that the client sent, shape (flows,).

        A capture at the server does not: one that was lost before it is not in it, and the client has waited all the
        same. Where a file does not say where it was taken, no router may have passed the SYN on, and the handshakes
        must not wait for the client for longer than for the server.
        """
        flows = self.flows
        at_client = np.isin(flows["vantage"], (Vantage.CLIENT, Vantage.BOTH))
        unsaid = (flows["vantage"] == Vantage.UNKNOWN) & np.isin(flows["client_hops"], INITIAL_HOPS)
        shown: Mask = (at_client | (unsaid & ~self.is_near_server)) & (flows["is_begun"] == 1)
        return shown

    @cached_property
    def is_near_server(self) -> Mask:
        """Which flows are those of a file in which most handshakes wait longer for the client than for the server."""
        flows = self.flows
        points = flows["file"].astype(np.int64) << 16 | self.attempts["address"][flows["attempt"]]
        _, point = np.unique(points, return_inverse=True)
        made = (flows["syn_acks"] > 0) & (flows["ack_ns"] >= 0)
        for_client_ns = flows["ack_ns"] - flows["syn_ack_ns"]
        for_server_ns = flows["syn_ack_ns"] - flows["last_syn_ns"]
        longer = np.sign(for_client_ns - for_server_ns) * made
        near: Mask = np.bincount(point, longer, minlength=1)[point] > 0
        return near

    @cached_property
    def unexplained(self) -> Mask:
        """Which tries need an explanation: all that did not connect with their first SYN in the usual time.

        That of which it is not known is among them.
        """
        at_once = self.ended_as(Outcome.CONNECTED) & ~self.late & self.having(self.shows_all_syns)
        return ~at_once
