# SPDX-License-Identifier: MIT
"""What one act came to: its record with its arrays, and what was seen after its storm."""

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from stress.lab.capture import Packets
from stress.model.record import Act


@dataclass(frozen=True)
class ActResult:
    """The result of one act.

    Attributes:
        act: its record.
        attempts: shape (attempts,), dtype ATTEMPT, in the order of their starts.
        uses: of the same attempts, shape (attempts,), dtype USE; shape (0,) where the plan uses none.
        mines: shape (mines,), dtype MINE: those before the storm.
        events: shape (events,), dtype KERNEL_EVENT: what the kernel said.
        packets: that were captured; None without capture.
        epoch_ns: of the run (CLOCK_MONOTONIC).
        interrupted: whether SIGINT ended the storm.
        warnings: sentences for the reader of the run.
    """

    act: Act
    attempts: npt.NDArray[Any]
    uses: npt.NDArray[Any]
    mines: npt.NDArray[Any]
    events: npt.NDArray[Any]
    packets: Packets | None
    epoch_ns: int
    interrupted: bool
    warnings: list[str]


@dataclass(frozen=True)
class Aftermath:
    """What was seen when a storm was over.

    Attributes:
        settled: whether the server had accepted and closed what it should.
        changes: fields of the Act.
        mines: of before the storm, each with whether it is left, dtype MINE; none where that is not known.
        events: dtype KERNEL_EVENT.
        packets: that were captured; None without capture.
    """

    settled: bool
    changes: dict[str, Any]
    mines: npt.NDArray[Any]
    events: npt.NDArray[Any]
    packets: Packets | None
