# SPDX-License-Identifier: MIT
"""Stall: a span in which the client's loop did not run, so that it saw nothing in time. Imports no numpy."""

from enum import StrEnum

import msgspec


class StallKind(StrEnum):
    """Where the loop stood still."""

    LOOP = "loop"  # between two readings of its clock with no sleep and no connect() between them
    SLEEP = "sleep"  # it slept longer than it had asked for
    CONNECT = "connect"  # inside a connect(), for as long as the thread was runnable and did not run


class Stall(msgspec.Struct, frozen=True):
    """One stall, in ns relative to the run's epoch."""

    start_ns: int
    end_ns: int
    kind: StallKind
    worker: int
