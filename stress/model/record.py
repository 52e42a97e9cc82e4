# SPDX-License-Identifier: MIT
"""Record: all that was planned and observed in a run, but its arrays. Imports no numpy."""

import hashlib

import msgspec

from stress.model.plan import Plan

GIB = 1 << 30
TESTBED_DIGITS = 8


class Address(msgspec.Struct, frozen=True):
    """What an act's 4-tuples have besides the client's port.

    ``sources`` addresses, the first and those after it, with ``target_ports`` ports, the first and those after it, make
    pairs that are numbered source by source: an attempt's ``address`` is ``first`` and the number of its pair.
    """

    first: int
    source: str
    sources: int
    target: str
    target_port: int
    target_ports: int

    @property
    def pairs(self) -> int:
        """How many pairs there are."""
        return self.sources * self.target_ports


class Phase(msgspec.Struct, frozen=True):
    """A stretch of the run, in ns since the epoch, which is the moment the first storm begins."""

    name: str
    start_ns: int
    end_ns: int


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """The machine and the kernel that a result depends on."""

    kernel: str  # uname -r
    jiffy_ns: int  # one tick of the kernel's timer: 10**9 / HZ
    cpu: str
    cpus: int
    memory_bytes: int
    clocksource: str
    python: str
    nofile: int  # RLIMIT_NOFILE, hard
    emulated: bool = False  # the CPU is a program: no latency of its can be compared with that of a real one

    @property
    def testbed(self) -> str:
        """A name for machines of this kind, whatever their kernel: a hash of CPU, CPUs and memory, no host name."""
        facts = f"{self.cpu}|{self.cpus}|{round(self.memory_bytes / GIB)}"
        return hashlib.sha256(facts.encode()).hexdigest()[:TESTBED_DIGITS]


class Overhead(msgspec.Struct, frozen=True, kw_only=True):
    """What recording an attempt costs on this machine, measured in this run (ns, medians)."""

    clock_ns: float  # one reading of the clock
    getsockname_ns: float  # where the kernel chose the port
    record_ns: float  # 32 bytes written
    tcp_info_ns: float  # SYN retransmits, read where there may be some
    bind_ns: float  # bind() to a given port: part of the plan, not of the recording

    def attempt_ns(self, *, port_known: bool) -> float:
        """Return the cost of an attempt that connects at once: three stamps and the record, or the port and four."""
        if port_known:
            return 3 * self.clock_ns + self.record_ns
        return 4 * self.clock_ns + self.record_ns + self.getsockname_ns


class ListenerReport(msgspec.Struct, frozen=True):
    """What the server's processes say they did."""

    accepted: int
    leaked: int
    closed: int
    first: int  # of the closed: those that the client had not ended before
    errors: dict[str, int]  # accept() errors by name

    def since(self, before: "ListenerReport") -> "ListenerReport":
        """Return what was done after an earlier report."""
        errors = {name: count - before.errors.get(name, 0) for name, count in self.errors.items()}
        return ListenerReport(
            self.accepted - before.accepted,
            self.leaked - before.leaked,
            self.closed - before.closed,
            self.first - before.first,
            {name: count for name, count in errors.items() if count},
        )


class Pair(msgspec.Struct, frozen=True):
    """Two sockets of one 4-tuple that a census saw together: a client in SYN_SENT, a server in CLOSE_WAIT."""

    seen_ns: int  # since the epoch
    client: str
    server: str
    client_state: str
    server_state: str
    receive_queue: int  # of the server's socket: 1 is the client's old FIN


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One storm of a run: what was planned and what moved while it went on.

    ``counters`` are the changes of the kernel's counters over the storm, by the kernel's names (Tcp and TcpExt);
    ``listener``, too, is of the storm alone. A census counts sockets by TCP state, just before and after the storm,
    client and server sockets apart.
    """

    name: str
    plan: Plan  # of this storm: what the act changes is in it
    address: Address
    attempts: int  # that it made
    port_range: tuple[int, int]
    ports: int  # in that range, without the reserved ones and the server's own
    sysctls: dict[str, str]  # as they were during the storm; a name that this kernel lacks is absent
    firewall: str  # in words: the rules and filters between client and server
    dropped: dict[str, int]  # packets that each rule threw away, by the rule's name; filters do not count
    phases: list[Phase]
    counters: dict[str, int]
    census_before: dict[str, dict[str, int]]
    census_after: dict[str, dict[str, int]]
    listener: ListenerReport
    waiting: int  # connections in the accept queue when the storm was over
    starved_ns: tuple[int, int] | None  # first and last accept() that found no descriptor, since the epoch
    mines_laid: int  # before the storm; some may have vanished by themselves when it began
    stolen_ms: int  # CPU time that a hypervisor gave to others while the storm went on, all CPUs together
    pairs: list[Pair]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """All of a run but its arrays."""

    id: str
    program: str
    started_utc: str
    plan: Plan
    host: Host
    overhead: Overhead | None = msgspec.field(name="harness")  # None: not measured
    acts: list[Act]
    interrupted: bool
    warnings: list[str]
