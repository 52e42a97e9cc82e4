# SPDX-License-Identifier: MIT
"""The calls that a client makes to the serving side of a storm across a link, and the answers.

The serving side does one call after the other, each for the plan that it has agreed to, and nothing without an
agreement but Hello, Describe, Ask and Ping. Beats come at any time from either end.
"""

from typing import Any, Literal

import msgspec

from stress.model.peer import ClockOffset
from stress.model.plan import Plan
from stress.model.record import HostReport, KernelWord, ListenerReport
from stress.storm.peer.answers import Consent, Count, Description, HostNow, Look, Met, TcpState


class Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """A message of the control channel; its tag is the name of its class."""


class Hello(Message, frozen=True):
    """The first message of either end."""

    protocol: int
    program: str


class Beat(Message, frozen=True):
    """The end that sends it agrees still."""


class Refused(Message, frozen=True):
    """A call was not carried out; ``kind`` is the name of the error's class, as in ``run/protocol.py`` Failed."""

    text: str
    kind: str = "LabError"


class Ended(Message, frozen=True):
    """The end that sends it stops the storm; nothing follows. Without a reason it has come to its end."""

    reason: str = ""


class ArrayHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An array that follows in frames of its own: its bytes in C order."""

    dtype: list[tuple[str, str]] | str  # numpy's description, little-endian
    shape: list[int]


class Answer(Message, frozen=True):
    """What a call returns: a value of the type in ``RESULTS``, and arrays by name, which follow in this order."""

    value: msgspec.Raw = msgspec.Raw(b"null")
    arrays: dict[str, ArrayHead] = {}


class Call(Message, frozen=True):
    """A call; every one is answered by Answer or Refused."""


class Ask(Call, frozen=True):
    """May I storm you so? The plan is the whole one, with its acts."""

    plan: Plan
    sources: list[str]
    change: bool


class Ping(Call, frozen=True):
    """What is your CLOCK_MONOTONIC (ns)?"""


class Describe(Call, frozen=True):
    """Who are you, and what may you do? Nothing is agreed to."""


class MeasureClock(Call, frozen=True):
    """How far is the other host's CLOCK_MONOTONIC ahead? The client's relay answers it, by Pings of its own."""


class BeginMeeting(Call, frozen=True):
    """Listen at the plan's target for a first connection, before any act, and say a word to it, if there is one."""

    word: str = ""


class EndMeeting(Call, frozen=True):
    """Accept it, reset it and stop listening; the answer is the connection, or null when none came in time."""

    limit_s: float


class BeginAct(Call, frozen=True):
    """End what was there for the act before, unless the act reuses it, and make this host ready for an act."""

    name: str


class Listen(Call, frozen=True):
    """Make the listening sockets of the act, with the filter of sources."""


class LoadRules(Call, frozen=True):
    """Load those rules of the act's world for this host that translate addresses, or the others."""

    nat: bool


class StartProcess(Call, frozen=True):
    """Start a further process of the listener; the arguments are as of ``Listener.start``."""

    leak: int = 0
    then: Literal["close", "leave"] = "close"
    answer: bool = False
    nofile: int | None = None


class Accept(Call, frozen=True):
    """Accept a connection of a port; the answer is its number for Shutdown and ReadState."""

    port: int
    limit_s: float


class Shutdown(Call, frozen=True):
    """Send the FIN of an accepted connection."""

    connection: int


class ReadState(Call, frozen=True):
    """Return the number of the TCP state of an accepted connection."""

    connection: int


class ReadEnds(Call, frozen=True):
    """Return the own and the other end of an accepted connection as this host sees them, each as endpoint_text."""

    connection: int


class ShortenQueue(Call, frozen=True):
    """As ``Listener.shorten_queue``."""

    backlog: int


class CloseStuck(Call, frozen=True):
    """As ``Listener.close_stuck``."""


class StopListening(Call, frozen=True):
    """As ``Listener.stop_listening``."""


class ReadReport(Call, frozen=True):
    """As ``Listener.report``."""


class ReadStarved(Call, frozen=True):
    """As ``Listener.starved_ns``, in this host's CLOCK_MONOTONIC."""


class ReadQueue(Call, frozen=True):
    """As ``Listener.queue_length``."""


class WaitSettled(Call, frozen=True):
    """As ``Listener.wait_settled``."""

    limit_s: float


class ReadCounters(Call, frozen=True):
    """Return the counters of this host now."""


class TakeCensus(Call, frozen=True):
    """Return the number of sockets by end and TCP state."""


class ListMines(Call, frozen=True):
    """Return the mines of the act as the array ``mines``, dtype MINE, addresses from 0 on."""


class BeginLook(Call, frozen=True):
    """Note which sockets listen here, and whether there is a route to the client."""


class EndLook(Call, frozen=True):
    """Return what is known of them since BeginLook."""


class CountRules(Call, frozen=True):
    """Return how many packets each rule of this program has matched on this host, and each queue dropped."""


class ReadHost(Call, frozen=True):
    """Return the sysctls that are recorded, and the stolen CPU time since boot (ms)."""


class BeginCapture(Call, frozen=True):
    """Begin to capture the packets of the act."""

    attempts: int


class EndCapture(Call, frozen=True):
    """Return them: the arrays of ``lab.capture.Packets`` by field, in this host's clocks; the value is ``missed``."""


class BeginHearing(Call, frozen=True):
    """Begin to listen to the kernel's word on the act; the answer is why it cannot be had, or null."""


class EndHearing(Call, frozen=True):
    """Return it, and the array ``events``, dtype KERNEL_EVENT, in this host's CLOCK_MONOTONIC, addresses from 0 on."""


class EndAct(Call, frozen=True):
    """End the listener of the act and its mines, and undo what was changed for it."""


RESULTS: dict[type[Call], Any] = {
    Ask: Consent,
    Ping: Count,
    Describe: Description,
    MeasureClock: ClockOffset,
    EndMeeting: Met | None,
    Accept: Count,
    ReadState: TcpState,
    ReadEnds: tuple[str, str],
    ReadReport: ListenerReport,
    ReadStarved: tuple[Count, Count] | None,
    ReadQueue: Count,
    WaitSettled: bool,
    ReadCounters: HostReport,
    TakeCensus: dict[str, dict[str, int]],
    EndLook: Look,
    CountRules: dict[str, int],
    ReadHost: HostNow,
    EndCapture: Count,
    BeginHearing: str | None,
    EndHearing: KernelWord,
}  # by the call; None for the others
