# SPDX-License-Identifier: MIT
"""Run: a record with its arrays, and its storms."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.model.record import Act, Host, Record

PORTS = 1 << 16

# A mined 4-tuple: its pair of addresses, the client's port, and whether the mine was left after the storm.
MINE = np.dtype([("address", "<u2"), ("local_port", "<u2"), ("left", "u1")])


@dataclass(frozen=True)
class Storm:
    """One act with its arrays.

    Attributes:
        host: the machine.
        act: the record of the act.
        attempts: shape (attempts,), dtype ATTEMPT, in the order of their starts.
        mines: shape (mines,), dtype MINE, the 4-tuples that were mined when the storm began.
    """

    host: Host
    act: Act
    attempts: npt.NDArray[Any]
    mines: npt.NDArray[Any]

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
    """

    record: Record
    attempts: npt.NDArray[Any]
    mines: npt.NDArray[Any]

    def storms(self) -> list[Storm]:
        """Return each act with its part of the arrays."""
        storms, start = [], 0
        for act in self.record.acts:
            first, last = act.address.first, act.address.first + act.address.pairs
            mined = (self.mines["address"] >= first) & (self.mines["address"] < last)
            attempts = self.attempts[start : start + act.attempts]
            storms.append(Storm(self.record.host, act, attempts, self.mines[mined]))
            start += act.attempts
        return storms
