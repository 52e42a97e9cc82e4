# SPDX-License-Identifier: MIT
"""One of the two streams between which a relay passes frames."""

from collections.abc import Iterator

import msgspec

from stress.storm.peer.calls import Message
from stress.storm.peer.channel import Stream
from stress.storm.peer.frame import Frame, FrameBuffer, Kind
from stress.storm.peer.message import frames_of

SHORT_BYTES = 8 << 10  # no message that is the relay's business is longer


class Tag(msgspec.Struct, frozen=True):
    """The type of a message."""

    type: str = ""


class RelayEnd:
    """One of the two streams: its bytes as frames, and those that it has not taken yet."""

    def __init__(self, stream: Stream, message_max: int) -> None:
        self.stream = stream
        self.frames = FrameBuffer(message_max)
        self.unsent = bytearray()
        self.last = b""  # what came last, for messages

    def send(self, frame: Frame) -> None:
        """Let a frame be sent by the next flush."""
        self.unsent += frame.packed

    def send_message(self, message: Message) -> None:
        """Let a message be sent by the next flush."""
        for frame in frames_of(message):
            self.send(frame)

    def flush(self) -> int:
        """Send what is taken now; return how many bytes were."""
        before = len(self.unsent)
        while self.unsent and (taken := self.stream.write(memoryview(bytes(self.unsent)))):
            del self.unsent[:taken]
        return before - len(self.unsent)

    def take_frames(self) -> Iterator[Frame]:
        """Take the frames that have come.

        Raises:
            EOFError: the end of the stream.
            ChannelFaultError: what came is no frame.
        """
        try:
            data = self.stream.read()
        except OSError as error:  # it was reset, by an end that left something unread
            raise EOFError from error
        if data == b"":
            raise EOFError
        self.last = data or b""
        self.frames.feed(self.last)
        yield from self.frames.frames()


def tag_of(frame: Frame) -> str:
    """Return the type of a short message; empty for anything else."""
    if frame.kind is not Kind.MESSAGE or len(frame.payload) > SHORT_BYTES:
        return ""
    try:
        return msgspec.json.decode(frame.payload, type=Tag).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # whoever it is for says what is wrong with it
        return ""
