# SPDX-License-Identifier: MIT
"""The serving host of a run as the client has it, once it has agreed to the plan."""

from collections.abc import Callable
from dataclasses import dataclass, field

from stress.model.errors import ChannelClosedError, ChannelFaultError
from stress.model.peer import ClockOffset, Transport
from stress.storm.peer.answers import Consent
from stress.storm.peer.caller import Caller
from stress.storm.peer.calls import Ping
from stress.storm.peer.client_calls import ClientConsent

LOST = (ChannelClosedError, ChannelFaultError)  # what a call raises when the control channel is of no more use


@dataclass(frozen=True)
class FarClient:
    """A further client that has agreed to storm.

    Attributes:
        name: as the user wrote it.
        address: from which it storms.
        caller: makes calls to it.
        program: with its version.
        consent: its answer to the plan.
        measure_clock: measures how far its clock is ahead of this host's.
    """

    name: str
    address: str
    caller: Caller
    program: str
    consent: ClientConsent
    measure_clock: Callable[[], ClockOffset]


@dataclass(frozen=True)
class JoinedPeer:
    """A serving host that has agreed.

    Attributes:
        caller: makes calls to it.
        name: as the user wrote it.
        transport: of the control channel.
        program: of the serving side, with its version.
        consent: its answer to the plan.
        control: the addresses between which the control channel runs, the client's first; empty where not known.
        may_change: whether settings, rules and routes of this host may be changed for the storm.
        measure_clock: measures how far its clock is ahead; errors are as of ``clock.measure_offset``.
        warnings: sentences on how the plan was changed to be within its limits.
        clients: the further clients, in the order of the plan's.
    """

    caller: Caller
    name: str
    transport: Transport
    program: str
    consent: Consent
    control: tuple[str, str]
    may_change: bool
    measure_clock: Callable[[], ClockOffset]
    warnings: list[str] = field(default_factory=list)
    clients: list[FarClient] = field(default_factory=list)

    def find_loss(self) -> str | None:
        """Return why a control channel is lost, after a signal that may have told so; None: the other end agrees."""
        for caller in (self.caller, *(client.caller for client in self.clients)):
            try:
                caller.call(Ping())
            except LOST as lost:
                return str(lost)
        return None
