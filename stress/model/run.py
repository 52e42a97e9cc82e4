# SPDX-License-Identifier: MIT
"""Run: a record with its arrays, and the storms that it is made of."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.model.record import Act, Host, Record

# A mined 4-tuple: the act whose addresses it has, the client's port, and whether the mine stood after the storm.
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
        acts = self.record.acts
        starts = np.searchsorted(self.attempts["address"], np.arange(len(acts) + 1))
        return [
            Storm(
                self.record.host,
                act,
                self.attempts[starts[number] : starts[number + 1]],
                self.mines[self.mines["address"] == number],
            )
            for number, act in enumerate(acts)
        ]
