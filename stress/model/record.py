# SPDX-License-Identifier: MIT
"""Record: all that was planned and observed in a run, but its arrays. Imports no numpy."""

import msgspec

from stress.model.plan import Plan


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
    """What the server's processes say they did."""

    accepted: int
    leaked: int
    closed: int
    errors: dict[str, int]  # accept() errors by name

    def since(self, before: "ListenerReport") -> "ListenerReport":
        """Return what was done after an earlier report."""
        errors = {name: count - before.errors.get(name, 0) for name, count in self.errors.items()}
        return ListenerReport(
            self.accepted - before.accepted,
            self.leaked - before.leaked,
            self.closed - before.closed,
            {name: count for name, count in errors.items() if count},
        )


class Mines(msgspec.Struct, frozen=True):
    """Mines by count: laid and confirmed before the storm, met by a SYN, still there afterwards."""

    laid: int
    found: int
    left: int


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """All of a run but its arrays.

    ``counters`` are the changes of the kernel's counters over the storm, by the kernel's names (Tcp and TcpExt);
    ``listener``, too, is of the storm alone. A census counts sockets by TCP state, just before and after the storm,
    client and server sockets apart.
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
    stolen_ms: int  # CPU time that a hypervisor gave to others while the storm went on, all CPUs together
    interrupted: bool
    warnings: list[str]
