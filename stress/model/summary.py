# SPDX-License-Identifier: MIT
"""Summary: the numbers that summarise a run."""

from enum import StrEnum

import msgspec


class Mines(msgspec.Struct, frozen=True):
    """Numbers of mines: laid before the storm, met by a SYN, left after the storm."""

    laid: int
    hit: int = msgspec.field(name="found")
    left: int


class Body(msgspec.Struct, frozen=True):
    """Latency of the attempts that connected without SYN retransmits, without the warm-up.

    Percentiles by inverted CDF (Hyndman and Fan 1996, definition 1), so that each is a latency that occurred. None
    when there is no such attempt.
    """

    p50_ns: int | None
    p90_ns: int | None
    p99_ns: int | None
    p999_ns: int | None
    max_ns: int | None


class Uses(msgspec.Struct, frozen=True):
    """How the first use of each connection ended: one byte to the server, and one back."""

    answered: int
    errors: dict[str, int]  # uses that failed although connect() had succeeded, by the errno's name
    body: Body  # of the time until the answer, without the warm-up


class Band(msgspec.Struct, frozen=True):
    """A range of latencies that the SYN timer of this kernel causes, and the number of retried attempts in it."""

    label: str
    from_ns: int
    to_ns: int
    count: int


class Claim(msgspec.Struct, frozen=True):
    """One line of the books: a number from the attempts of an act, and the counter that must have risen by the same."""

    act: str
    claim: str
    value: int
    counter: str
    delta: int
    balanced: bool


class Grade(StrEnum):
    """How strong a proof is."""

    KERNEL = "kernel"  # the kernel's own word for the attempt's packets
    COUNTED = "counted"  # an equation between attempts and counters that holds without a remainder
    TIMED = "timed"  # the 4-tuple, and the time between the attempt's SYNs
    PACKETS = "packets"  # the packets of a capture alone


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """By which rule, and with which figures, a cause was claimed for attempts of an act."""

    act: str
    cause: str
    rule: str
    grade: Grade
    attempts: int
    text: str
    also: int = 0  # attempts that it delayed as well, after the cause that they have


class OldSockets(msgspec.Struct, frozen=True, kw_only=True):
    """Sockets of the server in one state that held 4-tuples of an act when it began: the mines."""

    act: str
    state: str
    count: int
    youngest_ms: int | None  # since the last segment from its peer; None: not known of any
    oldest_ms: int | None


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """How many attempts a cause explains, where only sums are known and no single attempt can be named."""

    act: str
    cause: str
    at_least: int
    at_most: int
    of: int  # attempts that it may explain


ICMP = "ICMP"  # with type and code, in place of flags


class Fate(StrEnum):
    """What became of a packet on its way through several hosts, as far as a capture on all of them shows."""

    ARRIVED = "arrived"  # at the other end
    UNANSWERED = "unanswered"  # it arrived with a SYN, and the other end sent nothing in answer
    LOST_IN_HOST = "lost_in_host"  # it came to the last of its hosts, which did not send it on
    LOST_ON_LINK = "lost_on_link"  # the last of its hosts sent it, and the next one did not see it
    UNKNOWN = "unknown"  # the capture is not complete, or there is one host only


class Packet(msgspec.Struct, frozen=True):
    """One segment of a captured attempt, or one ICMP error about it.

    Attributes:
        time_ns: when it was first seen, relative to the first segment of the attempt.
        from_client: whether the client sent it, not the server.
        flags: as in tcpdump; of an ICMP error that quotes a segment of the attempt, its type and code: ``ICMP 3/1``.
        hosts: that saw it, in the order of its way; empty where client and server are one host.
        fate: what became of it.
        held_ns: the longest that a host between the two ends had it, from its arrival until it left.
        held_at: that host.
    """

    time_ns: int
    from_client: bool
    flags: str
    hosts: list[str] = []
    fate: Fate = Fate.UNKNOWN
    held_ns: int = 0
    held_at: str = ""


class Evidence(msgspec.Struct, frozen=True):
    """The packets of one attempt, stored in evidence.pcap, and the cause that it is an example of.

    ``hosts`` are those between which they went, from the client to the server; empty where both are one host.
    """

    act: str
    cause: str
    local_port: int
    start_ns: int
    packets: list[Packet]
    hosts: list[str] = []


class Figure(msgspec.Struct, frozen=True):
    """A number that a scenario was made to measure."""

    act: str
    name: str
    value: float | None  # None: not known from this run
    unit: str


class ActSummary(msgspec.Struct, frozen=True):
    """The summary of one act."""

    act: str
    attempts: int
    outcomes: dict[str, int]
    causes: dict[str, int]
    body: Body
    mines: Mines
    uses: Uses | None = None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The ``summary`` of ``run.json`` and ``--json``.

    ``duration_s`` is the time from the first start to the last end. ``rate_per_s`` counts the starts between the
    first and the last start, so that an attempt that waits for its timeout does not lower it. Both leave out the time
    between the acts.
    """

    attempts: int
    duration_s: float
    rate_per_s: float
    outcomes: dict[str, int]
    causes: dict[str, int]
    body: Body
    intended: Body | None  # paced load: the same, measured from the intended start
    bands: list[Band]
    retransmits: int
    collisions: int
    mines: Mines
    acts: list[ActSummary]
    verdict: str | None  # a sentence with the answer to the question of the scenario
    figures: list[Figure]
    evidence: list[Evidence]
    books: list[Claim]
    warnings: list[str]
    errnos: dict[str, int] = {}  # of the attempts that did not connect, by name
    proofs: list[Proof] = []
    bounds: list[Bound] = []
    old_sockets: list[OldSockets] = []
    uses: Uses | None = None  # None: connections were not used
    hints: list[str] = []  # of what is unknown: because of what, and what would tell
