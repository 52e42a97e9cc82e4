# SPDX-License-Identifier: MIT
"""Run: a record with its arrays, and its storms."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.model.attempt import USE
from stress.model.flow import no_flows
from stress.model.host import Host
from stress.model.record import Act, Record

PORTS = 1 << 16

# A mined 4-tuple: a socket of the server that holds it when the storm begins.
MINE = np.dtype(
    [
        ("address", "<u2"),  # number of its pair of addresses
        ("local_port", "<u2"),  # of the client
        ("left", "u1"),  # whether the same socket, by its cookie, was there after the storm
        ("state", "u1"),  # include/net/tcp_states.h
        ("age_ms", "<i4"),  # since the last segment from its peer; -1: not known
        ("cookie", "<u8"),  # idiag_cookie; 0: not known
    ]
)
CLOSE_WAIT = 8  # the state of the mines that connstorm lays

# A packet that the kernel dropped, or a reset that it sent, on a 4-tuple of the storm.
KERNEL_EVENT = np.dtype(
    [
        ("time_ns", "<i8"),  # relative to the epoch
        ("address", "<u2"),  # number of the pair of addresses
        ("local_port", "<u2"),  # of the client
        ("reason", "<u4"),  # a number of KernelWord.drop_reasons or reset_reasons
        ("kind", "u1"),  # 1 drop, 2 reset
        ("from_client", "u1"),
        ("flags", "u1"),  # of TCP
    ]
)
DROP_EVENT, RESET_EVENT = 1, 2


def no_events() -> npt.NDArray[Any]:
    """Return the events of a run for which the kernel was not asked, shape (0,), dtype KERNEL_EVENT."""
    return np.zeros(0, KERNEL_EVENT)


def no_uses() -> npt.NDArray[Any]:
    """Return the uses of a run that did not use its connections, shape (0,), dtype USE."""
    return np.zeros(0, USE)


def flows_of(flows: npt.NDArray[Any], start: int, stop: int) -> npt.NDArray[Any]:
    """Return the flows of some attempts, shape (flows,), dtype FLOW; the first of these attempts has the index 0."""
    own = flows[slice(*np.searchsorted(flows["attempt"], (start, stop)))].copy()
    own["attempt"] -= np.uint32(start)
    return own


@dataclass(frozen=True)
class Storm:
    """One act with its arrays.

    Attributes:
        host: the machine.
        act: the record of the act.
        attempts: shape (attempts,), dtype ATTEMPT, in the order of their starts.
        mines: shape (mines,), dtype MINE, the 4-tuples that were mined when the storm began.
        events: shape (events,), dtype KERNEL_EVENT.
        uses: of the connections that the attempts made, shape (attempts,), dtype USE; shape (0,) where none was used.
        flows: packets of the attempts of a capture, shape (flows,), dtype FLOW, in the order of these attempts and with
            their indices in the act; shape (0,) for a storm.
    """

    host: Host
    act: Act
    attempts: npt.NDArray[Any]
    mines: npt.NDArray[Any]
    events: npt.NDArray[Any] = field(default_factory=no_events)
    uses: npt.NDArray[Any] = field(default_factory=no_uses)
    flows: npt.NDArray[Any] = field(default_factory=no_flows)

    @property
    def tuple_count(self) -> int:
        """The number of values that ``tuples`` can return."""
        return self.act.address.pairs * PORTS

    def tuples(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return a number for the 4-tuple of each attempt or mine, shape (rows,); equal 4-tuples have equal numbers.

        The number for an unknown port, 0, is a multiple of PORTS.
        """
        number: npt.NDArray[np.int64] = rows["local_port"].astype(np.int64)
        if self.act.address.pairs > 1:
            number += (rows["address"].astype(np.int64) - self.act.address.first) * PORTS
        return number


@dataclass(frozen=True)
class Run:
    """A record with its arrays; those of the acts are concatenated.

    Attributes:
        record: the record.
        attempts: shape (attempts,), dtype ATTEMPT.
        mines: shape (mines,), dtype MINE.
        events: shape (events,), dtype KERNEL_EVENT.
        uses: shape (attempts,), dtype USE; shape (0,) where no act used its connections.
        flows: shape (flows,), dtype FLOW, in the order of the attempts; shape (0,) unless it was read from a capture.
    """

    record: Record
    attempts: npt.NDArray[Any]
    mines: npt.NDArray[Any]
    events: npt.NDArray[Any] = field(default_factory=no_events)
    uses: npt.NDArray[Any] = field(default_factory=no_uses)
    flows: npt.NDArray[Any] = field(default_factory=no_flows)

    def storms(self) -> list[Storm]:
        """Return each act with its part of the arrays."""
        storms, start = [], 0
        for act in self.record.acts:
            first, last = act.address.first, act.address.first + act.address.pairs
            mined = (self.mines["address"] >= first) & (self.mines["address"] < last)
            own = slice(start, start + act.attempts)
            uses = self.uses[own] if act.plan.use else no_uses()
            flows = flows_of(self.flows, start, start + act.attempts)
            said = (self.events["address"] >= first) & (self.events["address"] < last)
            events = self.events[said]
            storms.append(Storm(self.record.host, act, self.attempts[own], self.mines[mined], events, uses, flows))
            start += act.attempts
        return storms
