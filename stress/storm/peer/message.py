# SPDX-License-Identifier: MIT
"""Messages of the control channel: what each end may say, and how a message and its arrays are put together again.

Nothing that comes is taken for granted: a message is one of the types that this end expects, has no unknown field, no
number beyond 64 bits, no control character; an array has exactly the bytes that its message announced. Whatever else
comes is a ChannelFaultError. Knows no socket.
"""

import functools
import operator
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from stress.model.errors import ChannelFaultError
from stress.model.text import one_line
from stress.storm.peer.array_bytes import array_bytes, check_heads, cut_array, describe_array, rebuild_array
from stress.storm.peer.calls import Answer, ArrayHead, Beat, Call, Ended, Hello, Message, Refused
from stress.storm.peer.client_calls import RESULTS, StopPart
from stress.storm.peer.frame import PIECE_BYTES, Frame, Kind

if TYPE_CHECKING:
    import numpy.typing as npt

    from stress.storm.peer.array_bytes import Arrays

CLIENT_MESSAGE_MAX = 256 << 10  # the longest is a plan
SERVER_MESSAGE_MAX = 4 << 20  # the longest is a list of listening sockets
INTEGER_MIN, INTEGER_MAX = -(1 << 63), (1 << 63) - 1  # as arrays of numpy have them
CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]"
)  # all but tab and newline, which error texts of programs have
SHOWN: dict[type[Message], str] = {Hello: "program", Ended: "reason", Refused: "text"}  # fields that people read
SHOWN_LETTERS = 160
INTERLUDES = (Beat, Ended)  # what may come between a message and the arrays that it announced


class Speech:
    """What one end may say."""

    def __init__(self, types: Iterable[type[Message]], message_max: int) -> None:
        """Know the types of its messages and the most bytes that one may have."""
        self.types = tuple(types)
        self.message_max = message_max
        self._decoder = msgspec.json.Decoder(functools.reduce(operator.or_, self.types))

    def decode(self, payload: bytes) -> Message:
        """Return the message of a frame.

        Raises:
            ChannelFaultError: it is none that this end may send.
        """
        message: Message = decode_payload(self._decoder, payload)
        if name := SHOWN.get(type(message)):  # a terminal would obey what is in it
            message = msgspec.structs.replace(message, **{name: one_line(getattr(message, name))})
        if isinstance(message, Answer):
            check_heads(message.arrays)
        check_values(msgspec.to_builtins(message, builtin_types=(msgspec.Raw,)))
        return message


CLIENT_SPEECH = Speech((Hello, Beat, Ended, StopPart, *Call.__subclasses__()), CLIENT_MESSAGE_MAX)
SERVER_SPEECH = Speech((Hello, Beat, Ended, Refused, Answer), SERVER_MESSAGE_MAX)


def decode_payload(decoder: msgspec.json.Decoder[Any], payload: bytes | msgspec.Raw) -> Any:
    """Return what JSON from the other end says.

    Raises:
        ChannelFaultError: it is no JSON, or not of the decoder's type, or nested too deeply.
    """
    try:
        return decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ChannelFaultError(f"a message came that is none ({one_line(str(error))[:SHOWN_LETTERS]})") from error
    except RecursionError:  # without its traceback, which is as deep
        raise ChannelFaultError("a message came that is nested too deeply") from None


def check_values(value: Any) -> None:
    """Raise ChannelFaultError where a value, at any depth, has a number or a text that no honest end sends."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.keys()
            waiting += value.values()
        elif isinstance(value, (list, tuple)):
            waiting += value
        elif isinstance(value, str):
            if CONTROL.search(value):
                raise ChannelFaultError("a message came with control characters in a text")
        elif isinstance(value, int) and not INTEGER_MIN <= value <= INTEGER_MAX:
            raise ChannelFaultError("a message came with a number that does not fit 64 bits")


def decode_value(kind: type[Call], answer: Answer) -> Any:
    """Return the value of an answer to a call of a class, of the type in RESULTS.

    Raises:
        ChannelFaultError: it is of another type.
    """
    value = decode_payload(result_decoder(kind), answer.value)
    check_values(msgspec.to_builtins(value))
    return value


@functools.cache
def result_decoder(kind: type[Call]) -> msgspec.json.Decoder[Any]:
    """Return the decoder of the values with which calls of a kind are answered."""
    return msgspec.json.Decoder(RESULTS.get(kind))


def answer_of(value: Any, arrays: "Arrays | None" = None) -> Answer:
    """Return the answer with a value; its arrays are described in it, and are sent after it."""
    heads = {name: describe_array(array) for name, array in (arrays or {}).items()}
    check_heads(heads)
    return Answer(msgspec.Raw(msgspec.json.encode(value)), heads)


def frames_of(message: Message, arrays: "Arrays | None" = None) -> Iterator[Frame]:
    """Yield the frames of a message and of the arrays that it announces."""
    yield Frame(Kind.MESSAGE, msgspec.json.encode(message))
    for array in (arrays or {}).values():
        for piece in cut_array(array):
            yield Frame(Kind.PIECE, piece)


@dataclass(frozen=True)
class Received:
    """A message that has come, with its arrays."""

    message: Message
    arrays: "dict[str, npt.NDArray[Any]]" = field(default_factory=dict)


class MessageReader:
    """Puts messages and their arrays together from frames."""

    def __init__(self, speech: Speech) -> None:
        """Expect what the other end may say."""
        self.speech = speech
        self._answer: Answer | None = None  # whose arrays are coming
        self._missing: list[tuple[str, ArrayHead]] = []
        self._data = bytearray()  # of the first of these
        self._arrays: dict[str, npt.NDArray[Any]] = {}

    def take(self, frame: Frame) -> Received | None:
        """Return the message that a frame completes, or None.

        Raises:
            ChannelFaultError: the frame is no message that may come now, or no piece of an array that was announced.
        """
        if frame.kind is Kind.PIECE:
            return self._take_piece(frame.payload)
        message = self.speech.decode(frame.payload)
        if self._answer and not isinstance(message, INTERLUDES):
            raise ChannelFaultError(f"{type(message).__name__} came before the end of an array that was announced")
        if not isinstance(message, Answer):
            return Received(message)
        self._answer, self._missing, self._arrays = message, list(message.arrays.items()), {}
        return self._finish()

    def _take_piece(self, piece: bytes) -> Received | None:
        if not self._missing:
            raise ChannelFaultError("a piece of an array came that no message announced")
        remaining = array_bytes(self._missing[0][1]) - len(self._data)
        if len(piece) != min(remaining, PIECE_BYTES):
            raise ChannelFaultError(f"a piece of {len(piece)} bytes came of an array that misses {remaining}")
        self._data += piece
        return self._finish()

    def _finish(self) -> Received | None:
        """Rebuild what is complete; return the answer when all its arrays are."""
        while self._missing:
            name, head = self._missing[0]
            if len(self._data) < array_bytes(head):
                return None
            self._arrays[name] = rebuild_array(head, self._data)
            self._data = bytearray()
            del self._missing[0]
        answer, self._answer = self._answer, None
        assert answer
        return Received(answer, self._arrays)
