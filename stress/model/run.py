# SPDX-License-Identifier: MIT
"""Run: a record with its arrays, and the storms that it is made of."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.model.record import Act, Host, Record

PORTS = 1 << 16

# A mined 4-tuple: its pair of addresses, the client's port, and whether the mine stood after the storm.
MINE = np.dtype([("address", "<u2"), ("local_port", "<u2"), ("left", "u1")])


@dataclass(frozen=True)
class Storm:
    """One act with its arrays.

    Attributes:
        host: the machine.
        act: what was planned and observed.
        attempts: shape (attempts,), dtype ATTEMPT, in the order of their starts.
        mines: shape (mines,), dtype MINE, the 4-tuples that were mined when the storm began.
    """

    host: Host
    act: Act
    attempts: npt.NDArray[Any]
    mines: npt.NDArray[Any]

    @property
    def tuple_count(self) -> int:
        """How many numbers ``tuples`` may return."""
        return self.act.address.pairs * PORTS

    def tuples(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return the numbers of the 4-tuples of attempts or mines, shape (rows,): those of equal ones are equal.

        A port that is not known, 0, makes a number that PORTS divides.
        """
        number: npt.NDArray[np.int64] = rows["local_port"].astype(np.int64)
        if self.act.address.pairs > 1:
            number += (rows["address"].astype(np.int64) - self.act.address.first) * PORTS
        return number


@dataclass(frozen=True)
class Run:
    """A record with its arrays, the acts' one after the other.

    Attributes:
        record: what was planned and observed.
        attempts: shape (attempts,), dtype ATTEMPT.
        mines: shape (mines,), dtype MINE.
    """

    record: Record
    attempts: npt.NDArray[Any]
    mines: npt.NDArray[Any]

    def storms(self) -> list[Storm]:
        """Return each act with its part of the arrays."""
        found, place = [], 0
        for act in self.record.acts:
            first, last = act.address.first, act.address.first + act.address.pairs
            mined = (self.mines["address"] >= first) & (self.mines["address"] < last)
            attempts = self.attempts[place : place + act.attempts]
            found.append(Storm(self.record.host, act, attempts, self.mines[mined]))
            place += act.attempts
        return found
