# SPDX-License-Identifier: MIT
"""ClientSession: a further client of a storm across a link, from Hello to the end; by ssh alone, never for strangers.

Who leads the storm has logged in here, and so could storm from here by any program; what this one storms is the host
that answers its first connection with the word of the meeting.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from stress.model.errors import ChannelClosedError, LabError, Terminated, UsageError
from stress.storm.peer import calls, description
from stress.storm.peer.agreement import Terms
from stress.storm.peer.calls import Call, Ended, Hello, Message
from stress.storm.peer.channel import Channel
from stress.storm.peer.client_calls import AskClient, ClientConsent, FindSource, StopPart, StormPart
from stress.storm.peer.client_part import ClientPart, consent_of, source_towards
from stress.storm.peer.serving_act import WithArrays
from stress.storm.peer.session import NOTHING, Session


class ClientSession(Session):
    """Storms for the host that leads the storm; it serves nobody."""

    def __init__(self, channel: Channel, own: Hello, terms: Terms) -> None:
        """Begin with a channel on which nothing was said; the arguments are as of ``Session``."""
        super().__init__(channel, own, terms)
        self.part: ClientPart | None = None

    def find_handler(self, call: Call) -> Callable[[Any], Any]:
        """Return what carries out a call.

        Raises:
            UsageError: it may not come now, or not here.
        """
        handlers: dict[type[Call], Callable[[Any], Any]] = {
            FindSource: source_towards,
            AskClient: self.ask_client,
            calls.Describe: lambda _: description.describe(self.terms.limits),
        }
        if self.part is not None:
            handlers |= self.part.handlers()
        if StormPart in handlers:
            handlers[StormPart] = self.storm
        handler = handlers.get(type(call))
        if handler is None:
            raise UsageError(f"{type(call).__name__} has to wait for an agreement or a meeting, or is for who serves.")
        return handler

    def ask_client(self, call: AskClient) -> ClientConsent:
        """Find out whether this host storms for a plan; the first is the only one."""
        if self.part is not None:
            raise UsageError("This session has agreed to a plan already.")
        part = ClientPart(call, self.terms.limits.max_rate_per_s, self.interruption.deferred)
        consent = consent_of(call.plan, self.terms.limits)
        self.watch.agree(self.terms.limits)
        self.part = part
        return consent

    def storm(self, call: StormPart) -> WithArrays:
        """Storm; where that fails, the session ends, and with it the storm of all clients.

        Raises:
            UsageError: as of ``ClientPart.storm``.
            Terminated: the storm failed.
        """
        assert self.part
        try:
            return self.part.storm(call)
        except LabError as error:
            self.interruption.reason = f"its storm failed: {error}"
            raise Terminated(0) from error

    def take_notice(self, message: Message | None) -> bool:
        """Take a message that nothing answers; return whether it is one."""
        if isinstance(message, StopPart) and self.part is not None:
            self.part.stop()
        return isinstance(message, StopPart)

    def end(self) -> None:
        """End the storm at once, then say why."""
        if self.part is not None:
            self.part.end()
        with suppress(ChannelClosedError):
            self.channel.send(Ended(self.interruption.reason or NOTHING))
