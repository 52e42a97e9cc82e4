# SPDX-License-Identifier: MIT
"""The relay as run-cell sees it: a process that owns the control channel to the other host, and a socket to it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec

from stress.lab.pdeathsig import with_parent
from stress.model.errors import ChannelClosedError, ChannelFaultError, LabError, error_named
from stress.model.peer import SILENCE_S
from stress.run.peer.relay_spec import Joined, RelaySpec
from stress.storm.peer.caller import Caller
from stress.storm.peer.calls import Call, Ended, Ping, Refused
from stress.storm.peer.channel import Channel, Connection
from stress.storm.peer.message import SERVER_MESSAGE_MAX, SERVER_SPEECH, Speech

if TYPE_CHECKING:
    import numpy.typing as npt

COMMAND = (sys.executable, "-m", "stress.run.peer.relay_process")
END_LIMIT_S = 30.0  # for the other host to undo what it changed, and for its connection to close
JOIN_LIMIT_S = 90.0  # more than it takes to connect and to be greeted, both of which have limits of their own
CLOSED_LIMIT_S = 1.0  # from the end of the channel to that of the relay's process
RELAY_SPEECH = Speech((*SERVER_SPEECH.types, Joined), SERVER_MESSAGE_MAX)


class RelayedCaller(Caller):
    """Makes calls through a relay, whose end or silence is another reason why they cannot be made."""

    patience_s = SILENCE_S

    def __init__(self, relay: "Relay") -> None:
        super().__init__(relay.channel)
        self.relay = relay

    def call_arrays(self, call: Call) -> "tuple[Any, dict[str, npt.NDArray[Any]]]":
        """Make a call, as of a Caller."""
        with self.relay.losses_deferred(self.relay):
            return super().call_arrays(call)

    def start(self, call: Call) -> None:
        """Send a call, as of a Caller."""
        with self.ends_told():
            super().start(call)

    def finish(self, kind: type[Call]) -> "tuple[Any, dict[str, npt.NDArray[Any]]]":
        """Wait for the answer, as of a Caller."""
        with self.relay.losses_deferred(self.relay), self.ends_told():
            return super().finish(kind)

    def require_word(self) -> None:
        """Give up a relay that is stopped or hangs, as of a Caller; with it ends what the other host does."""
        try:
            super().require_word()
        except ChannelClosedError:
            self.relay.process.kill()
            raise

    @property
    def silent(self) -> str:
        """Who is silent when nothing comes, as of a Caller: a relay has a beat for this process too."""
        return f"The process that talks to {self.channel.other}"

    @contextmanager
    def ends_told(self) -> Iterator[None]:
        """Tell the end of the relay where that is why the channel is closed."""
        try:
            yield
        except ChannelClosedError as error:
            if self._ended is None and self.relay.has_ended(CLOSED_LIMIT_S):
                raise ChannelClosedError(self.relay.end_text()) from error
            raise


class Relay:
    """A relay of this process, which ``Relays`` reaches and ends.

    Attributes:
        joined: what is known of the other host, once it has been joined.
        caller: for calls to it.
    """

    joined: Joined

    def __init__(self, spec: RelaySpec, losses_deferred: "Callable[[Relay], AbstractContextManager[None]]") -> None:
        """Start the relay.

        Args:
            spec: how to reach the other host.
            losses_deferred: returns a context in which no loss interrupts what waits for an answer of a relay.
        """
        self.spec = spec
        self.losses_deferred = losses_deferred
        self.has_joined = False
        own, its = socket.socketpair()
        arguments = [*COMMAND, str(its.fileno()), str(os.getpid())]
        self.process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # that of run-cell ends with run-cell
            pass_fds=[its.fileno()],
            env=with_parent(),
        )
        its.close()
        self.channel = Channel(Connection(own), RELAY_SPEECH, spec.peer)
        self.caller = RelayedCaller(self)

    def join(self) -> None:
        """Wait until the relay has joined the other host.

        Raises:
            UsageError, LabError: the other host cannot be reached, refuses, or speaks another protocol.
        """
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(msgspec.json.encode(self.spec))
            self.process.stdin.close()
        try:
            received = self.channel.receive(JOIN_LIMIT_S)
        except ChannelClosedError as error:
            raise LabError(self.end_text()) from error
        match received and received.message:
            case Joined() as joined:
                self.joined, self.has_joined = joined, True
            case Refused(text, kind):
                raise error_named(kind, text)
            case Ended(reason):
                raise LabError(reason)
            case None:
                raise LabError(f"The process that talks to {self.spec.peer} did not join it within {JOIN_LIMIT_S:g} s.")
            case _:
                raise LabError(f"{self.spec.peer} does not keep to connstorm's protocol.")

    def has_ended(self, limit_s: float = 0) -> bool:
        """Whether the relay's process has ended, or does within a limit."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(limit_s)
        return self.process.returncode is not None

    def has_died(self) -> bool:
        """Whether the relay ended by itself after it had joined the other host."""
        return self.has_joined and self.has_ended()

    def end_text(self) -> str:
        """Return how the relay ended, as a sentence."""
        code = self.process.wait()
        how = signal.Signals(-code).name if code < 0 else f"code {code}"
        return f"The process that talks to {self.spec.peer} ended with {how}, so the storm was ended."

    def loss(self) -> str | None:
        """Return why the other host is lost, as a sentence; None: it still agrees, or was not joined yet."""
        if not self.has_joined:
            return None
        try:
            self.caller.call(Ping())
        except (ChannelClosedError, ChannelFaultError) as error:
            return str(error)
        return None

    def end(self) -> None:
        """End the relay and wait for it; one that has not joined the other host may wait for it, and is killed."""
        if not self.has_joined:
            self.process.kill()
        with suppress(ChannelClosedError):
            self.channel.send(Ended())
        self.channel.close()
        if not self.has_ended(END_LIMIT_S):
            self.process.kill()
            self.process.wait()
