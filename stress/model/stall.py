# SPDX-License-Identifier: MIT
"""Stall: a span in which the client's loop did not run, so that it saw nothing in time. Imports no numpy."""

from enum import StrEnum

import msgspec


class StallKind(StrEnum):
    """Where the loop stood still, for more than a jiffy; the values are those of the engine."""

    LOOP = "loop"  # between two readings of its clock with no sleep and no connect() between them
    SLEEP = "sleep"  # it slept longer than it had asked for
    CONNECT = "connect"  # inside a connect(): the thread was runnable and did not run for all of it but one jiffy


class Stall(msgspec.Struct, frozen=True):
    """One stall, in ns relative to the run's epoch."""

    start_ns: int  # the last reading of the clock before it: a sleep begins here, at most 11 ms before it should end
    end_ns: int  # the first reading after it
    kind: StallKind
    worker: int
