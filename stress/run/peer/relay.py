# SPDX-License-Identifier: MIT
"""The relay as run-cell sees it: a process that owns the control channel to the other host, and a socket to it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from stress.model.errors import ChannelClosedError, ChannelFaultError, LabError, error_named
from stress.run.peer.relay_spec import Joined, RelaySpec
from stress.storm.peer.caller import Caller
from stress.storm.peer.calls import Call, Ended, Ping, Refused
from stress.storm.peer.channel import Channel, Connection
from stress.storm.peer.message import SERVER_MESSAGE_MAX, SERVER_SPEECH, Speech

if TYPE_CHECKING:
    import numpy.typing as npt

COMMAND = (sys.executable, "-m", "stress.run.peer.relay_process")
END_LIMIT_S = 30.0  # for the other host to undo what it changed, and for its connection to close
RELAY_SPEECH = Speech((*SERVER_SPEECH.types, Joined), SERVER_MESSAGE_MAX)


class RelayedCaller(Caller):
    """Makes calls through a relay, whose end is another reason why they cannot be made."""

    def __init__(self, relay: "Relay") -> None:
        super().__init__(relay.channel)
        self.relay = relay

    def start(self, call: Call) -> None:
        """Send a call, as of a Caller."""
        with self.ends_told():
            super().start(call)

    def finish(self, kind: type[Call]) -> "tuple[Any, dict[str, npt.NDArray[Any]]]":
        """Wait for the answer, as of a Caller."""
        with self.ends_told():
            return super().finish(kind)

    @contextmanager
    def ends_told(self) -> Iterator[None]:
        """Tell the end of the relay where that is why the channel is closed."""
        try:
            yield
        except ChannelClosedError as error:
            if self.relay.has_ended():
                raise ChannelClosedError(self.relay.end_text()) from error
            raise


class Relay:
    """The relay of this process; leaving the context ends the control channel and the relay.

    While it lasts, the end of the relay, and what the relay reports as the end of the other host, are a SIGINT for this
    process, which ends a storm; ``lost`` then says why.

    Attributes:
        joined: what is known of the other host.
        caller: for calls to it.
    """

    def __init__(self, spec: RelaySpec) -> None:
        """Start the relay, and wait until it has joined the other host.

        Raises:
            LabError: the other host cannot be reached, refuses, or speaks another protocol.
        """
        self.spec = spec
        self.is_ending = False
        own, its = socket.socketpair()
        arguments = [*COMMAND, str(its.fileno()), str(os.getpid())]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, pass_fds=[its.fileno()])
        its.close()
        self.channel = Channel(Connection(own), RELAY_SPEECH, spec.peer)
        self.before = signal.signal(signal.SIGCHLD, self.notice_end)
        with ExitStack() as unless_joined:
            unless_joined.callback(self.kill)
            assert self.process.stdin is not None
            with suppress(BrokenPipeError):
                self.process.stdin.write(msgspec.json.encode(spec))
                self.process.stdin.close()
            self.joined = self.await_joined()
            unless_joined.pop_all()
        self.caller = RelayedCaller(self)

    def await_joined(self) -> Joined:
        """Wait until the relay has joined the other host."""
        try:
            received = self.channel.receive()
        except ChannelClosedError as error:
            raise LabError(self.end_text()) from error
        match received and received.message:
            case Joined() as joined:
                return joined
            case Refused(text, kind):
                raise error_named(kind, text)
            case Ended(reason):
                raise LabError(reason)
        raise LabError(f"{self.spec.peer} does not keep to connstorm's protocol.")

    def notice_end(self, number: int, frame: FrameType | None) -> None:
        """Interrupt this process if the child that has ended is the relay; else it may be another relay."""
        if callable(self.before):
            self.before(number, frame)
        if not self.is_ending and self.has_ended():
            self.is_ending = True
            signal.raise_signal(signal.SIGINT)  # so that whoever ignores or defers that does so with this

    def has_ended(self) -> bool:
        """Whether the relay's process has ended; it is not reaped."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return self.process.returncode is not None or os.waitid(os.P_PID, self.process.pid, options) is not None

    def end_text(self) -> str:
        """Return how the relay ended, as a sentence."""
        code = self.process.wait()
        how = signal.Signals(-code).name if code < 0 else f"code {code}"
        return f"The process that talks to {self.spec.peer} ended with {how}, so the storm was ended."

    def loss(self) -> str | None:
        """Return why the other host is lost, as a sentence; None: it still agrees."""
        try:
            self.caller.call(Ping())
        except (ChannelClosedError, ChannelFaultError) as error:
            return str(error)
        return None

    def kill(self) -> None:
        """Kill the relay, which may be waiting for the other host, and wait for it."""
        self.process.kill()
        self.end()

    def end(self) -> None:
        """End the relay and wait for it."""
        self.is_ending = True
        with suppress(ChannelClosedError):
            self.channel.send(Ended())
        self.channel.close()
        try:
            self.process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        signal.signal(signal.SIGCHLD, self.before)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
