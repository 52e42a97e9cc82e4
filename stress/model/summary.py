# SPDX-License-Identifier: MIT
"""Summary: the numbers that a run comes down to."""

import msgspec


class Mines(msgspec.Struct, frozen=True):
    """Mines by count: laid before the storm, met by a SYN, still there afterwards."""

    laid: int
    hit: int = msgspec.field(name="found")
    left: int


class Body(msgspec.Struct, frozen=True):
    """Latency of the attempts that connected with no SYN sent again, warm-up left out.

    Percentiles by inverted CDF (Hyndman and Fan 1996, definition 1): always a latency that did occur. None
    when there is no such attempt.
    """

    p50_ns: int | None
    p90_ns: int | None
    p99_ns: int | None
    p999_ns: int | None
    max_ns: int | None


class Band(msgspec.Struct, frozen=True):
    """A range of latencies that the SYN timer of this kernel produces, and the retried attempts in it."""

    label: str
    from_ns: int
    to_ns: int
    count: int


class Claim(msgspec.Struct, frozen=True):
    """One line of the books: what the attempts of an act say, beside the counter that must say the same."""

    act: str
    claim: str
    value: int
    counter: str
    delta: int
    balanced: bool


class Packet(msgspec.Struct, frozen=True):
    """One segment of a captured attempt; ``time_ns`` since the first of them, flags as tcpdump writes them."""

    time_ns: int
    from_client: bool
    flags: str


class Evidence(msgspec.Struct, frozen=True):
    """The packets of one attempt, in evidence.pcap, and the cause that it stands for."""

    act: str
    cause: str
    local_port: int
    start_ns: int
    packets: list[Packet]


class Figure(msgspec.Struct, frozen=True):
    """A number that a scenario was made to find."""

    act: str
    name: str
    value: float | None  # None: this run cannot say
    unit: str


class ActSummary(msgspec.Struct, frozen=True):
    """What one storm of several comes down to."""

    act: str
    attempts: int
    outcomes: dict[str, int]
    causes: dict[str, int]
    body: Body
    mines: Mines


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What ``run.json`` and ``--json`` carry as ``summary``.

    ``duration_s`` lasts from the first start to the last end, ``rate_per_s`` counts starts from the first to
    the last start: an attempt that waits for its timeout does not slow the storm. Both leave out what lies between
    the acts.
    """

    attempts: int
    duration_s: float
    rate_per_s: float
    outcomes: dict[str, int]
    causes: dict[str, int]
    body: Body
    intended: Body | None  # paced load: the same from the intended start on, warm-up left out
    bands: list[Band]
    retransmits: int
    collisions: int
    mines: Mines
    acts: list[ActSummary]
    verdict: str | None  # what the scenario was made to find out, in a sentence
    figures: list[Figure]
    evidence: list[Evidence]
    books: list[Claim]
    warnings: list[str]
