# SPDX-License-Identifier: MIT
"""Summary: the numbers that a run comes down to."""

import msgspec

from stress.model.record import Mines


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
    """One line of the books: what the attempts say, beside the kernel counter that must say the same."""

    claim: str
    value: int
    counter: str
    delta: int
    balanced: bool


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What ``run.json`` and ``--json`` carry as ``summary``.

    ``duration_s`` lasts from the first start to the last end, ``rate_per_s`` counts starts from the first to
    the last start: an attempt that waits for its timeout does not slow the storm.
    """

    attempts: int
    duration_s: float
    rate_per_s: float
    outcomes: dict[str, int]
    causes: dict[str, int]
    body: Body
    bands: list[Band]
    retransmits: int
    collisions: int
    mines: Mines
    books: list[Claim]
    warnings: list[str]
