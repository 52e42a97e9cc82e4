# SPDX-License-Identifier: MIT
"""Caller: the client's side of the control channel, one call after the other."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from stress.model.errors import ChannelClosedError, ChannelFaultError, error_named
from stress.storm.peer.calls import Answer, Beat, Call, Ended, Refused
from stress.storm.peer.channel import Channel
from stress.storm.peer.message import Received, decode_value

if TYPE_CHECKING:
    import numpy.typing as npt


class Caller:
    """Makes calls. One that was interrupted, by SIGINT for example, does not disturb the next.

    Attributes:
        patience_s: for how long nothing may come, not even a beat; None: without limit.
    """

    patience_s: float | None = None

    def __init__(self, channel: Channel) -> None:
        """Make calls through a channel on which Hello was exchanged."""
        self.channel = channel
        self._ended: str | None = None

    def call(self, call: Call) -> Any:
        """Return the value with which a call is answered, of the type in ``RESULTS``.

        Raises:
            ConnstormError: the call was refused; of the class and with the text that the other end gave.
            ChannelClosedError: the other end is gone, or has ended the storm.
            ChannelFaultError: the answer is none.
        """
        return self.call_arrays(call)[0]

    def call_arrays(self, call: Call) -> "tuple[Any, dict[str, npt.NDArray[Any]]]":
        """Return the value with which a call is answered, and the arrays by name; as ``call``."""
        self.start(call)
        return self.finish(type(call))

    def give_up(self, reason: str) -> None:
        """Make no more calls; each raises ChannelClosedError with this reason, unless the other end gave one before."""
        self._ended = self._ended or reason

    def start(self, call: Call) -> None:
        """Send a call, whose answer ``finish`` waits for; no other may be made in between.

        Raises:
            ChannelClosedError: as ``call``.
        """
        if self._ended is not None:
            raise ChannelClosedError(self._ended)
        try:
            self.channel.send(call)
        except ChannelClosedError as error:
            raise ChannelClosedError(self._find_last_word() or str(error)) from error

    def finish(self, kind: type[Call]) -> "tuple[Any, dict[str, npt.NDArray[Any]]]":
        """Wait for the answer to the last call, which is of a class; as ``call_arrays``."""
        while self.channel.open_calls > 1:
            self._next_answer()
        received = self._next_answer()
        if isinstance(received.message, Refused):
            raise error_named(received.message.kind, received.message.text)
        assert isinstance(received.message, Answer)
        try:
            return decode_value(kind, received.message), received.arrays
        except ChannelFaultError as error:
            raise ChannelFaultError(f"{self.channel.other} does not keep to the protocol: {error}.") from error

    def _find_last_word(self) -> str | None:
        """Return why the other end has ended, if it said so before it took no more."""
        with suppress(ChannelClosedError):
            while received := self.channel.receive(0):
                if isinstance(received.message, Ended):
                    self._ended = received.message.reason or f"{self.channel.other} has ended the storm."
                    return self._ended
        return None

    def require_word(self) -> None:
        """Raise ChannelClosedError if nothing came for too long; of a long answer something has."""
        if self.patience_s is not None and self.channel.silent_s >= self.patience_s:
            self._ended = f"{self.silent} has said nothing for {self.patience_s:g} s, so the storm was ended."
            raise ChannelClosedError(self._ended)

    @property
    def silent(self) -> str:
        """Who is silent when nothing comes."""
        return self.channel.other

    def _next_answer(self) -> Received:
        while True:
            received = self.channel.receive(self.patience_s)
            if received is None:
                self.require_word()
                continue
            if isinstance(received.message, Answer | Refused):
                return received
            if isinstance(received.message, Ended):
                self._ended = received.message.reason or f"{self.channel.other} has ended the storm."
                raise ChannelClosedError(self._ended)
            if not isinstance(received.message, Beat):
                kind = type(received.message).__name__
                raise ChannelFaultError(f"{self.channel.other} does not keep to the protocol: {kind} answers no call.")
