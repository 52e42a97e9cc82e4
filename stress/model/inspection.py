# SPDX-License-Identifier: MIT
"""Inspection: what ``connstorm inspect`` says of a network namespace, as its ``--json`` has it. Imports no numpy."""

from enum import StrEnum

import msgspec

SCHEMA = 1


class Check(StrEnum):
    """What makes an inspection fail (exit code 1); each can be ignored by its name."""

    CLOSE_WAIT_AGE = "close-wait-age"  # a connection in CLOSE-WAIT for longer than a minute
    LISTENER_QUEUE = "listener-queue"  # a listener's accept queue is at its limit
    PORTS_LEFT = "ports-left"  # fewer than a tenth of the ports are left to a destination
    CONNTRACK = "conntrack"  # the table of conntrack is nearly full
    LISTENER_DROPS = "listener-drops"  # a listener dropped something while it was watched


class Unseen(msgspec.Struct, frozen=True):
    """What this inspection could not see, why, and how to let it."""

    what: str
    why: str
    remedy: str


class SocketOwner(msgspec.Struct, frozen=True):
    """Who holds a socket: a process, or where /proc does not show it (``pid`` and ``name`` are None) only its user."""

    uid: int
    user: str | None
    pid: int | None = None
    name: str | None = None


class ListenerState(msgspec.Struct, frozen=True, kw_only=True):
    """One listening socket.

    ``limit`` is what is in force: the queue is full with one connection more. It is ``min(backlog, somaxconn)``:
    ``is_capped`` tells that it equals net.core.somaxconn, which may have lowered what the program asked for.
    """

    address: str
    port: int
    cookie: int
    owner: SocketOwner
    holders: list[int]  # pids of all processes that have it open, as far as they are known
    waiting: int
    limit: int
    is_capped: bool
    drops: int  # sk_drops since it was made; of a watched one, those of the watch are in ``Watch``
    states: dict[str, int]  # its connections by TCP state; those of several listeners of one port are counted at each
    stopped: list[int] = []  # those of ``holders`` that are stopped, by a signal or a debugger: they accept nothing
    shares_port: bool = False  # others listen on the same address and port (SO_REUSEPORT)
    is_v6only: bool = False


class Ages(msgspec.Struct, frozen=True):
    """Time since the last segment that the peer sent and this TCP accepted (ms): at least so old is the state.

    None: not known of any. ``known`` is how many sockets have an age. ``probed`` are those with keepalive: each answer
    to a probe makes them younger, so that they may be far older.
    """

    known: int
    youngest_ms: int | None
    median_ms: int | None
    oldest_ms: int | None
    probed: int = 0


class Leak(msgspec.Struct, frozen=True, kw_only=True):
    """Connections whose peer has ended or vanished and that this host still has, of one owner, end and state.

    ``local`` is the endpoint here. With ``is_server`` it is that of a listener. ``unaccepted`` of the sockets wait in
    the accept queue (inode 0): no program has them yet. ``per_hour`` follows from the ages; None: too few.
    """

    state: str
    owner: SocketOwner | None  # None: no process has it, as with inode 0
    local: str  # "10.0.0.5:8080"; of a client "10.0.0.5"
    peers: dict[str, int]  # sockets by the peer's address, those with the most first, ten at most
    peer_count: int
    is_server: bool
    count: int
    unaccepted: int
    ages: Ages
    since_utc: str | None  # when the oldest got its last segment
    per_hour: float | None


class Interval(msgspec.Struct, frozen=True):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


class Chance(msgspec.Struct, frozen=True, kw_only=True):
    """What the coming connects to a destination on this host meet.

    ``share`` of them meet a mine, for as long as no port comes again; the interval has 95 % of all places where the
    kernel's secret offset can be. ``of_connects`` is how many of the next ``connects`` do, if each frees its port.
    """

    mines: int  # sockets of the server that hold a 4-tuple whose client port is free
    free: int  # ports that connect() may still choose
    parity: str  # "even" or "odd": of the ports that connect() tries now
    share: Interval
    share_at_random: Interval  # for clients that choose ports at random, or by IP_LOCAL_PORT_RANGE
    connects: int
    of_connects: Interval
    mined_ports: str = ""  # of the clients, as net.ipv4.ip_local_reserved_ports has them: "40000-40003,40010"


class TakenBy(msgspec.Struct, frozen=True):
    """Ports of the range that sockets of one owner and state take for a destination."""

    owner: SocketOwner | None
    state: str
    count: int


class DestinationState(msgspec.Struct, frozen=True, kw_only=True):
    """Ports for connections to one address and port from this host's address ``source``."""

    source: str
    address: str
    port: int
    usable: int  # ports of net.ipv4.ip_local_port_range without the reserved ones
    taken: list[TakenBy]
    left: int  # those that connect() can have
    searched: float  # mean number of ports that connect() looks at before it has one, now
    chance: Chance | None  # None: the destination is not on this host, so its sockets are not known
    reusable: int = 0  # taken ports in TIME-WAIT that connect() takes over, so they are left as well (tcp_tw_reuse)


class RemoteClient(msgspec.Struct, frozen=True):
    """A client on another host, whose port range is not known here: mines that wait for it at a listener."""

    address: str
    local: str  # the listener's endpoint
    mines: int


class SettingState(msgspec.Struct, frozen=True):
    """A setting that matters, and what another value would change here."""

    name: str
    value: str
    effect: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, or was.

    ``check`` names what makes it a failure; None: it is told, and is none. ``page`` is in the catalogue, ``commands``
    are to look closer, ``remedies`` to end it: they are shown, never run.
    """

    check: Check | None
    text: str  # a sentence with its figures
    page: str
    commands: list[str] = []
    remedies: list[str] = []


class Explanation(msgspec.Struct, frozen=True):
    """What counters that rose during a watch prove: an identity, with its figures."""

    text: str
    page: str
    counters: dict[str, int]


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """What changed while it was watched."""

    seconds: float
    counters: dict[str, int]  # those that rose
    explanations: list[Explanation]
    listener_drops: dict[str, int]  # by endpoint; a listener that closed is left out
    appeared: dict[str, int]  # sockets by state that were not there at the beginning, and are at the end
    stayed: dict[str, int]  # sockets by state that were there at both
    gone: dict[str, int]
    kernel: dict[str, dict[str, int]] = {}  # by listener's endpoint: packets dropped and resets sent, by reason (root)


class Conntrack(msgspec.Struct, frozen=True):
    """The table of conntrack; ``counters`` are those of /proc/net/stat/nf_conntrack, since boot."""

    entries: int
    limit: int
    counters: dict[str, int]


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """All that was seen of one network namespace, and what is wrong with it."""

    schema: int = SCHEMA
    program: str
    taken_utc: str
    kernel: str
    namespace: str  # "this one", or what was asked for, with its inode
    port: int | None  # only listeners of this port, and destinations with it
    pid: int | None  # only sockets of this process
    verdict: str
    findings: list[Finding]
    ignored: list[Check]
    sockets: int
    states: dict[str, int]
    listeners: list[ListenerState]
    leaks: list[Leak]
    destinations: list[DestinationState]  # those with the most ports taken or mined
    clients: list[RemoteClient]
    settings: list[SettingState]
    conntrack: Conntrack | None
    rules: list[str] = []  # of nft, that drop or answer what a retry needs; root only
    counters: dict[str, int]  # since boot, of those that tell of connects; never a failure
    watch: Watch | None = None
    unseen: list[Unseen] = []
    more_destinations: int = 0  # that are not in ``destinations``

    @property
    def is_failing(self) -> bool:
        """Whether a finding is a failure that is not ignored."""
        return any(finding.check is not None and finding.check not in self.ignored for finding in self.findings)
