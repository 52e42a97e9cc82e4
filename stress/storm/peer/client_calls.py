# SPDX-License-Identifier: MIT
"""The calls to a further client of a storm across a link: a host that storms the serving host as this one does.

It has been reached by ssh, as the serving host has. It storms no address before a connection of its own to it was
answered with the word that the serving host was given for it.
"""

from typing import Any

import msgspec

from stress.model.host import Host
from stress.model.peer import ServeLimits
from stress.model.plan import Plan
from stress.model.stall import Stall
from stress.storm.peer import calls
from stress.storm.peer.calls import Call, Message


class FindSource(Call, frozen=True):
    """From which address of yours do packets to an address leave? Nothing is sent."""

    target: str
    port: int


class AskClient(Call, frozen=True):
    """May you storm the target of a plan, as the client of a number? The plan is the whole one, with its acts."""

    plan: Plan
    number: int


class ClientConsent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Yes; renewed by each Beat.

    Attributes:
        limits: of that host; those of time and rate are for what it sends too.
        host: the machine and its kernel.
        port_range: its lowest and its highest ephemeral port; ``ports``: how many of them are free for connect().
        sysctls: those that are recorded.
    """

    limits: ServeLimits
    host: Host
    port_range: tuple[int, int]
    ports: int
    sysctls: dict[str, str]


class MeetServer(Call, frozen=True):
    """Make the first connection to the target, over which this word has to come; return your end of it."""

    word: str


class BeginPart(Call, frozen=True):
    """Prepare your part of an act.

    Attributes:
        name: of the act.
        attempts: of the whole storm.
        first_address: number of the act's first pair of addresses.
    """

    name: str
    attempts: int
    first_address: int


class StormPart(Call, frozen=True):
    """Storm from a moment on; both times are of your CLOCK_MONOTONIC (ns), the first when the run began.

    The answer is PartResult, and the arrays ``attempts``, dtype ATTEMPT, and ``uses``, dtype USE.
    """

    epoch_ns: int
    begin_ns: int


class PartResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What StormPart returns; the fields are those of ``worker.WorkerResult``."""

    recorded: int
    interrupted: bool
    stalls: list[Stall]
    stalls_missed: int


class EndPart(Call, frozen=True):
    """Close the sockets of your part."""


class StopPart(Message, frozen=True):
    """End your storm now; what it has recorded is the answer to StormPart. Nothing answers this."""


RESULTS: dict[type[Call], Any] = calls.RESULTS | {
    FindSource: str,
    AskClient: ClientConsent,
    MeetServer: tuple[str, int],
    StormPart: PartResult,
}
