# SPDX-License-Identifier: MIT
"""Peer: the other host of a storm across a link, what it permits and what is known of it. Imports no numpy."""

from enum import StrEnum
from typing import Annotated

import msgspec

from stress.model.host import Host

PEER_PORT = 7411  # of the control channel of ``connstorm serve`` over TLS
BEAT_S = 1.0  # each end says so often that it still agrees
SILENCE_S = 5.0  # after so long without a word from the other end an end stops
OVER_RATE_S = 1.0  # for so long the server may accept more than its rate


class Transport(StrEnum):
    """How the control channel gets to the other host."""

    SSH = "ssh"
    TLS = "tls"


class ServeLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a serving host permits; it is set there, and the other end cannot widen it.

    Attributes:
        sources: addresses and networks (``10.0.0.0/24``) from which the storm's connections are accepted; empty: those
            that the client names, where it has logged in by ssh.
        addresses: own addresses that may be stormed; empty: every one that the client names.
        ports: the lowest and the highest port that may be stormed.
        max_rate_per_s: connections accepted per second.
        max_seconds: from the consent to the end.
        change: whether settings, rules and routes of this host may be changed for the time of the storm.
    """

    sources: list[str] = []
    addresses: list[str] = []
    ports: tuple[int, int] = (1024, 65535)
    max_rate_per_s: Annotated[float, msgspec.Meta(gt=0)] = 20_000
    max_seconds: Annotated[float, msgspec.Meta(gt=0)] = 60
    change: bool = False


class ClockOffset(msgspec.Struct, frozen=True, kw_only=True):
    """How far the CLOCK_MONOTONIC of the serving host is ahead of the client's.

    Attributes:
        offset_ns: the serving host's reading less the client's.
        error_ns: half of the shortest round trip: wherever in it the other clock was read, the offset is not further
            off (RFC 5905, section 8; Cristian 1989).
        at_ns: when it was so, in the client's clock.
        exchanges: how many questions and answers there were.
    """

    offset_ns: int
    error_ns: int
    at_ns: int
    exchanges: int


class Privileges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a program may do on its host: each an empty text where it may, else why not, as a clause.

    Attributes:
        packets: open packet sockets, which count and capture the storm's segments (CAP_NET_RAW).
        kernel_word: load the programs by which the kernel says what it drops and resets.
        changes: change settings, rules and routes of its network namespace (CAP_NET_ADMIN, and nft for rules).
    """

    packets: str
    kernel_word: str
    changes: str


class ClientReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a further client of an act.

    Attributes:
        name: as the user wrote it.
        address: from which it stormed.
        program: with its version.
        host: the machine and its kernel.
        attempts: how many it made.
        clock: before the storm, against this host's.
        clock_after: after it.
        stolen_ms: as that of an act.
    """

    name: str
    address: str
    program: str
    host: Host
    attempts: int
    clock: ClockOffset
    clock_after: ClockOffset
    stolen_ms: int = 0


class PeerReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the serving host of an act.

    Attributes:
        name: as the user wrote it.
        transport: of the control channel.
        program: of the serving side, with its version.
        host: the machine and its kernel.
        limits: that it set.
        clock: before the storm.
        clock_after: after it; None when the channel was lost.
        sysctls: of that host during the storm, those that are recorded of the client's.
        stolen_ms: as that of an act.
        changed: what was changed there for the storm, in words.
        changed_here: the same of the client's host.
        lost: why the channel was lost during the storm; None: it was not.
    """

    name: str
    transport: Transport
    program: str
    host: Host
    limits: ServeLimits
    clock: ClockOffset
    clock_after: ClockOffset | None = None
    sysctls: dict[str, str] = {}
    stolen_ms: int = 0
    changed: list[str] = []
    changed_here: list[str] = []
    lost: str | None = None
