# SPDX-License-Identifier: MIT
"""Channel: messages over a pair of descriptors, a socket or TLS, with time limits.

Several threads may send: a beat goes between two frames, never into one. Only one receives. An exception of a signal
handler, such as KeyboardInterrupt, breaks nothing: what was not sent of a frame goes out before the next one.
"""

import os
import select
import socket
import ssl
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from stress.model.errors import ChannelClosedError, ChannelFaultError
from stress.model.peer import SILENCE_S
from stress.storm.peer.calls import Answer, Call, Message, Refused
from stress.storm.peer.frame import FrameBuffer
from stress.storm.peer.message import MessageReader, Received, Speech, frames_of

if TYPE_CHECKING:
    from stress.storm.peer.array_bytes import Arrays

READ_BYTES = 64 << 10


class Stream(Protocol):
    """What carries bytes and never waits."""

    reading: int  # the descriptors to wait for
    writing: int

    def read(self) -> bytes | None:
        """Return bytes that are there, None when there are none yet, nothing at the end."""

    def write(self, data: memoryview) -> int:
        """Return how many of these bytes were taken."""

    def close(self) -> None:
        """Close the descriptors."""


class Descriptors:
    """A stream on two descriptors, which become non-blocking, such as standard input and output."""

    def __init__(self, reading: int, writing: int) -> None:
        """Own the two from now on; they may be the same."""
        self.reading, self.writing = reading, writing
        for descriptor in (reading, writing):
            os.set_blocking(descriptor, False)

    def read(self) -> bytes | None:
        """As of a stream."""
        try:
            return os.read(self.reading, READ_BYTES)
        except BlockingIOError:
            return None

    def write(self, data: memoryview) -> int:
        """As of a stream."""
        try:
            return os.write(self.writing, data)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """As of a stream."""
        for descriptor in {self.reading, self.writing}:
            os.close(descriptor)


class Connection:
    """A stream on a connected socket, with TLS or without, which becomes non-blocking.

    An ``SSLSocket`` must not be used by two threads at once (OpenSSL's SSL_read and SSL_write change the same object).
    """

    def __init__(self, connected: socket.socket) -> None:
        """Own the socket from now on."""
        connected.settimeout(0)
        self.reading = self.writing = connected.fileno()
        self._socket = connected
        self._lock = threading.Lock()

    def read(self) -> bytes | None:
        """As of a stream."""
        with self._lock:
            try:
                return self._socket.recv(READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return None
            except ssl.SSLZeroReturnError:
                return b""

    def write(self, data: memoryview) -> int:
        """As of a stream."""
        with self._lock:
            try:
                return self._socket.send(data)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return 0

    def close(self) -> None:
        """As of a stream."""
        self._socket.close()


class Channel:
    """A control channel. A context manager, which closes it."""

    def __init__(self, stream: Stream, speech: Speech, other: str = "the other end") -> None:
        """Take over a stream.

        Args:
            stream: what carries the bytes.
            speech: what the other end may say.
            other: the other end, for messages.
        """
        self.stream, self.other = stream, other
        self.heard_s = time.monotonic()  # when bytes last came
        self._frames = FrameBuffer(speech.message_max)
        self._reader = MessageReader(speech)
        self._sending = threading.Lock()
        self._unsent = b""
        self.open_calls = 0  # that were sent, and not answered yet

    def send(self, message: Message, arrays: "Arrays | None" = None) -> None:
        """Send a message, and the arrays that it announces (``message.answer_of``).

        Raises:
            ChannelClosedError: the other end is gone, or has taken nothing for SILENCE_S.
        """
        is_call = isinstance(message, Call)
        for frame in frames_of(message, arrays):
            with self._sending:
                self._send_unsent()
                packed = frame.packed
                self._unsent, self.open_calls = packed, self.open_calls + is_call  # no signal handler in between
                self._send_unsent()

    def _send_unsent(self) -> None:
        while self._unsent:
            try:
                taken = self.stream.write(memoryview(self._unsent))
            except OSError as error:
                raise ChannelClosedError(f"Nothing more can be sent to {self.other}: {error}.") from error
            self._unsent = self._unsent[taken:]
            if not taken and not await_descriptor(self.stream.writing, select.POLLOUT, SILENCE_S):
                raise ChannelClosedError(f"{self.other} has taken nothing for {SILENCE_S:g} s.")

    def receive(self, limit_s: float | None = None) -> Received | None:
        """Return the next message with its arrays, or None when none is complete within the limit.

        What has come of it by then is not lost.

        Raises:
            ChannelClosedError: the other end is gone.
            ChannelFaultError: what came is not the protocol; nothing after it can be understood.
        """
        end_s = None if limit_s is None else time.monotonic() + limit_s
        while True:
            try:
                for frame in self._frames.frames():
                    if received := self._reader.take(frame):
                        self.open_calls -= isinstance(received.message, Answer | Refused)
                        return received
            except ChannelFaultError as error:
                raise ChannelFaultError(f"{self.other} does not keep to the protocol: {error}.") from error
            remaining_s = None if end_s is None else end_s - time.monotonic()
            if not self._read(remaining_s):
                return None

    def _read(self, limit_s: float | None) -> bool:
        """Read what comes within the limit; return whether anything came."""
        try:
            data = self.stream.read()
            if data is None and await_descriptor(self.stream.reading, select.POLLIN, limit_s):
                data = self.stream.read()
        except OSError as error:
            raise ChannelClosedError(f"The connection to {self.other} is lost: {error}.") from error
        if data == b"":
            raise ChannelClosedError(f"{self.other} has closed the control channel.")
        if data is not None:
            self._frames.feed(data)
            self.heard_s = time.monotonic()
        return data is not None

    @property
    def silent_s(self) -> float:
        """For how long nothing has come."""
        return time.monotonic() - self.heard_s

    def close(self) -> None:
        """Close it; the other end learns that at once."""
        self.stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def await_descriptor(descriptor: int, event: int, limit_s: float | None) -> bool:
    """Return whether a descriptor is ready, or closed, within a limit."""
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(None if limit_s is None else max(0, limit_s) * 1000))
