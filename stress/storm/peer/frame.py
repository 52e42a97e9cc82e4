# SPDX-License-Identifier: MIT
"""Frames of the control channel: 4 bytes length, big-endian, 1 byte kind, and so many bytes. Knows no socket.

A frame is a message in JSON or a piece of an array. Its length is checked before anything is allocated for it.
"""

import struct
from collections.abc import Iterator
from enum import IntEnum

import msgspec

from stress.model.errors import ChannelFaultError

HEAD = struct.Struct(">IB")
PIECE_BYTES = 64 << 10  # a beat need not wait for longer than one of these takes


class Kind(IntEnum):
    """What is in a frame."""

    MESSAGE = 1
    PIECE = 2


class Frame(msgspec.Struct, frozen=True):
    """A frame as it came, its length within the limit of its kind."""

    kind: Kind
    payload: bytes

    @property
    def packed(self) -> bytes:
        """The bytes that carry it."""
        return HEAD.pack(len(self.payload), self.kind) + self.payload


def unpack_head(head: bytes, message_max: int) -> tuple[int, Kind]:
    """Return the length and the kind of the frame that begins with these bytes.

    Args:
        head: the first ``HEAD.size`` bytes.
        message_max: the most bytes that a message may have.

    Raises:
        ChannelFaultError: there is no such kind, or the frame is longer than one of its kind may be.
    """
    length, number = HEAD.unpack(head)
    if number not in (Kind.MESSAGE, Kind.PIECE):
        raise ChannelFaultError(f"a frame of kind {number} came, and there are only the kinds 1 and 2")
    kind = Kind(number)
    longest = message_max if kind is Kind.MESSAGE else PIECE_BYTES
    if not 1 <= length <= longest:
        raise ChannelFaultError(f"a frame of {length} bytes came, and it may have 1 to {longest}")
    return length, kind


class FrameBuffer:
    """Bytes that have come, of which frames are taken; it never has more than one frame's and what was last fed."""

    def __init__(self, message_max: int) -> None:
        """Begin without any bytes; a message may have ``message_max`` at most."""
        self.message_max = message_max
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes)

    def feed(self, data: bytes) -> None:
        """Add bytes in the order in which they came."""
        self._bytes += data

    def frames(self) -> Iterator[Frame]:
        """Take the frames that are complete.

        Raises:
            ChannelFaultError: what came is no frame; nothing after it can be understood.
        """
        while len(self._bytes) >= HEAD.size:
            length, kind = unpack_head(bytes(self._bytes[: HEAD.size]), self.message_max)
            end = HEAD.size + length
            if len(self._bytes) < end:
                return
            payload = bytes(self._bytes[HEAD.size : end])
            del self._bytes[:end]
            yield Frame(kind, payload)
