# SPDX-License-Identifier: MIT
"""Run: everything that was observed while a plan was carried out."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from stress.model.plan import Plan

# A mined 4-tuple: a row of the run's address table and the client's port.
MINE = np.dtype([("address", "<u2"), ("local_port", "<u2")])


class Address(msgspec.Struct, frozen=True):
    """The three parts of a 4-tuple that many attempts share."""

    source: str
    target: str
    target_port: int


class Phase(msgspec.Struct, frozen=True):
    """A stretch of the run, in ns since the epoch, which is the moment the storm begins."""

    name: str
    start_ns: int
    end_ns: int


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """The machine, the kernel and the settings that a result depends on."""

    kernel: str  # uname -r
    jiffy_ns: int  # one tick of the kernel's timer: 10**9 / HZ
    cpu: str
    cpus: int
    memory_bytes: int
    clocksource: str
    python: str
    nofile: int  # RLIMIT_NOFILE, hard
    firewall: str  # what is known of packet filters in the lab
    sysctls: dict[str, str]  # as they were during the storm; a name that this kernel lacks is absent


class ListenerReport(msgspec.Struct, frozen=True):
    """What the server's processes say they did, from their first connection to their last."""

    accepted: int
    leaked: int
    closed: int
    errors: dict[str, int]  # accept() errors by name


class Mines(msgspec.Struct, frozen=True):
    """Mines by count: laid and confirmed before the storm, met by a SYN, still there afterwards."""

    laid: int
    found: int
    left: int


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """All of a run but its arrays.

    ``counters`` are the changes of the kernel's counters over the storm, by the kernel's names (Tcp and TcpExt).
    A census counts sockets by TCP state, just before and after the storm; client and server sockets apart.
    """

    id: str
    program: str
    started_utc: str
    plan: Plan
    host: Host
    addresses: list[Address]
    port_range: tuple[int, int]
    phases: list[Phase]
    counters: dict[str, int]
    census_before: dict[str, dict[str, int]]
    census_after: dict[str, dict[str, int]]
    listener: ListenerReport
    mines_left: int
    interrupted: bool
    warnings: list[str]


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
