# SPDX-License-Identifier: MIT
"""Record: what was planned and observed in a run, without its arrays. Imports no numpy."""

from ipaddress import ip_address
from typing import Annotated

import msgspec

from stress.model.host import Host
from stress.model.peer import ClientReport, PeerReport
from stress.model.plan import EvidenceSource, Plan
from stress.model.profile import ProfileReport
from stress.model.stall import Stall

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]  # what is drawn by port has memory for each


class Address(msgspec.Struct, frozen=True):
    """The addresses of an act: the 4-tuple without the client's port.

    ``sources`` client addresses, counted up from ``source``, and ``target_ports`` server ports, counted up from
    ``target_port``, make pairs that are numbered source by source. The ``address`` of an attempt is ``first`` plus the
    number of its pair.

    A capture has whatever addresses it has: ``endpoints`` lists its pairs, each as client, server and server port, and
    the other fields have those of the first.
    """

    first: int
    source: str
    sources: int
    target: str
    target_port: int
    target_ports: int
    endpoints: list[tuple[str, str, int]] = []

    @property
    def pairs(self) -> int:
        """Number of pairs of a client address and a server port."""
        return len(self.endpoints) or self.sources * self.target_ports

    def pair(self, number: int) -> tuple[str, str, int]:
        """Return client address, server address and server port of a pair, by the ``address`` of its attempts."""
        place = number - self.first
        if self.endpoints:
            return self.endpoints[place]
        source, port = divmod(place, self.target_ports)
        return str(ip_address(self.source) + source), self.target, self.target_port + port


class Phase(msgspec.Struct, frozen=True):
    """A part of the run, in ns relative to the epoch, which is the moment when the first storm begins."""

    name: str
    start_ns: int
    end_ns: int


class Overhead(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of recording an attempt on this machine, measured in this run (ns, medians)."""

    clock_ns: float  # one reading of the clock
    getsockname_ns: float  # only where the kernel chose the port
    record_ns: float  # writing 32 bytes
    tcp_info_ns: float  # number of SYN retransmits, read where there may be some
    bind_ns: float  # bind() to a given port: part of the plan, not of recording

    def attempt_ns(self, *, port_known: bool) -> float:
        """Return the cost (ns) of an attempt without retransmits: 3 timestamps and the record, or 4 and the port."""
        if port_known:
            return 3 * self.clock_ns + self.record_ns
        return 4 * self.clock_ns + self.record_ns + self.getsockname_ns


class ListenerReport(msgspec.Struct, frozen=True):
    """The counts of the server's processes."""

    accepted: int
    leaked: int
    closed: int
    first: int  # closed connections that the client had not closed before
    errors: dict[str, int]  # accept() errors by name
    answered: int = 0  # bytes of clients that use their connections

    def since(self, before: "ListenerReport") -> "ListenerReport":
        """Return the counts since an earlier report."""
        errors = {name: count - before.errors.get(name, 0) for name, count in self.errors.items()}
        return ListenerReport(
            self.accepted - before.accepted,
            self.leaked - before.leaked,
            self.closed - before.closed,
            self.first - before.first,
            {name: count for name, count in errors.items() if count},
            self.answered - before.answered,
        )


class ListeningReport(msgspec.Struct, frozen=True, kw_only=True):
    """One listening socket of the namespace, before and after a storm (inet_diag, by its cookie)."""

    address: str
    port: int
    on_target: bool  # a SYN of the storm may reach it
    drops: int | None  # how many more packets it dropped (sk_drops); None: it was closed during the storm
    limit: int  # its accept queue holds one more connection than this
    waiting: int  # connections in its accept queue at the end
    capped: bool  # the limit equals net.core.somaxconn, which may have lowered what the program asked for
    owner: str  # its program and process, or its user


class TakenPorts(msgspec.Struct, frozen=True):
    """Ports of the ephemeral range that sockets of others held before and after a storm."""

    ports: str  # in the form of ip_local_reserved_ports: 40000-40010,40020
    owner: str  # program and process, or user
    state: str


class ExternalServer(msgspec.Struct, frozen=True, kw_only=True):
    """What is known, after a storm, of a server that others have started."""

    stayed: bool  # whether the same sockets listened before and after the storm
    holders: list[str]  # the processes that hold them, as far as /proc shows any: ``nginx[712] (stopped)``
    close_wait: dict[str, int]  # the server's sockets in CLOSE-WAIT before the storm, by who holds them
    close_wait_after: dict[str, int]


class KernelWord(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel said of packets that it dropped and resets that it sent, while it was asked."""

    lost: int  # events that did not fit: with any, nothing is proved by an event that is not there
    complete: bool  # whether this kernel gives every event a namespace and a 4-tuple
    counts: dict[str, int]  # all events by "drop REASON" and "reset REASON"
    drop_reasons: dict[str, str]  # names of the numbers in the events; JSON has no keys but text
    reset_reasons: dict[str, str]


class HostReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one host of a world counted during a storm."""

    counters: dict[str, int]  # as those of the act
    conntrack: dict[str, int]  # of /proc/net/stat/nf_conntrack, the sums over all CPUs; empty without conntrack
    segments: dict[str, int] = {}  # of the storm at the devices of a host across a link, by kind; empty: not counted


class Pair(msgspec.Struct, frozen=True):
    """Two sockets with one 4-tuple in one census: a client in SYN_SENT, a server in CLOSE_WAIT."""

    seen_ns: int  # relative to the epoch
    client: str
    server: str
    client_state: str
    server_state: str
    receive_queue: int  # of the server's socket: 1 is the FIN of the client's old connection


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One storm of a run: its plan and what was observed during the storm.

    ``counters`` are the changes of the kernel's counters during the storm, by the kernel's names (Tcp and TcpExt).
    Where client and server are hosts of their own, they are the sums over these, as on one host; those of a router are
    in ``hosts`` only.
    ``listener`` also covers the storm only. A census counts the sockets by TCP state directly before and after the
    storm, client and server sockets separately.
    """

    name: str
    plan: Plan  # of this storm, with the changes of the act
    address: Address
    attempts: int  # number of attempts
    port_range: tuple[Port, Port]
    ports: int  # number of ports in that range, without reserved ports and the server's ports
    sysctls: dict[str, str]  # during the storm, without those that this kernel does not have
    firewall: str  # description of the rules and filters between client and server
    dropped: dict[str, int]  # packets that each rule dropped, by the name of the rule; BPF filters do not count
    phases: list[Phase]
    counters: dict[str, int]
    census_before: dict[str, dict[str, int]]
    census_after: dict[str, dict[str, int]]
    listener: ListenerReport
    waiting: int  # connections in the accept queue at the end of the storm
    starved_ns: tuple[int, int] | None  # first and last accept() that failed with EMFILE, relative to the epoch
    mines_laid: int  # number before the storm; some may have disappeared when it began
    stolen_ms: int  # CPU time that a hypervisor gave to other guests during the storm, sum of all CPUs
    pairs: list[Pair]
    evidence: EvidenceSource = EvidenceSource.COUNTS  # the source that was used, which may be less than the plan's
    listening: list[ListeningReport] = []  # every listening socket of the namespace
    taken: list[TakenPorts] = []
    reserved: int = 0  # ports of the range that ip_local_reserved_ports reserves
    source_error: str | None = None  # errno when the kernel has no source address for the target; None: it has one
    return_error: str | None = None  # errno when the server's host is asked for a route to the client; None: it has one
    next_hop: str | None = None  # state of the neighbour towards the target; None where no SYN waited in the host
    listener_elsewhere: list[str] = []  # where somebody listens on a server port that nobody listens on at the target
    syn_sent_before: int | None = None  # sockets of the namespace in SYN-SENT when the storm began; None: not known
    segments_in_flight: bool = False  # whether TCP still received segments some time after the storm: a slow link
    outside_packets: int | None = None  # that interfaces other than lo moved; None: not known
    stalls: list[Stall] = []
    stalls_missed: int = 0  # stalls for which there was no room in the list
    kernel_word: KernelWord | None = None
    hosts: dict[str, HostReport] = {}  # each host of the world; of a single one, only where it has conntrack
    waiting_before: int = 0  # connections in the accept queue when the storm began, left by the act before
    peer: PeerReport | None = None  # the serving host of a storm across a link
    clients: list[ClientReport] = []  # the further clients of such a storm, in the order of their addresses
    external: ExternalServer | None = None  # None: connstorm's own server, or nothing but the attempts was recorded


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A run without its arrays.

    ``boot_id`` is that of the host that stormed: runs before and after a reboot are of different sessions. It is unset
    where it was not stored, or not known. ``profiled`` is unset where no profiler took part. ``commit`` is that of the
    program, with ``+`` where its files were not those of the commit; unset where it is not known.
    """

    id: str
    program: str
    started_utc: str
    plan: Plan
    host: Host
    overhead: Overhead | None = msgspec.field(name="harness")  # None: not measured
    acts: list[Act]
    interrupted: bool
    warnings: list[str]
    boot_id: str | msgspec.UnsetType = msgspec.UNSET
    profiled: ProfileReport | msgspec.UnsetType = msgspec.UNSET
    commit: str | msgspec.UnsetType = msgspec.UNSET

    @property
    def is_capture(self) -> bool:
        """Whether it was read from capture files: its acts are the servers in them, and nothing was planned."""
        return any(act.evidence is EvidenceSource.PACKETS for act in self.acts)

    @property
    def lost_peer(self) -> str | None:
        """The name of the serving host that was lost in a storm, with all that it counted and held; None: none was."""
        return next((act.peer.name for act in self.acts if act.peer is not None and act.peer.lost is not None), None)
