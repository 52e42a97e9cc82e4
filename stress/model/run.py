# SPDX-License-Identifier: MIT
"""Run: a record with its arrays."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.model.record import Record

# A mined 4-tuple: a row of the run's address table and the client's port.
MINE = np.dtype([("address", "<u2"), ("local_port", "<u2")])


@dataclass(frozen=True)
class Run:
    """A record with its arrays.

    Attributes:
        record: what was planned and observed.
        attempts: shape (attempts,), dtype ATTEMPT, in the order of their starts.
        mines: shape (mines,), dtype MINE, the 4-tuples that were mined when the storm began.
    """

    record: Record
    attempts: npt.NDArray[Any]
    mines: npt.NDArray[Any]
