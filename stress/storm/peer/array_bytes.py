# SPDX-License-Identifier: MIT
"""Arrays as bytes of the control channel: what may be described, and how it is rebuilt. Loads no numpy at import.

A description that came from another host can do harm: an object type is executed when it is read, a shape allocates,
and numpy counts on a bool to be 0 or 1 where it allocates for a mask. So only numbers and opaque bytes of known sizes
are taken, and every bool is looked at.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from stress.model.errors import ChannelFaultError
from stress.storm.peer.calls import ArrayHead
from stress.storm.peer.frame import PIECE_BYTES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Arrays = Mapping[str, npt.NDArray[Any]]

ARRAYS_MAX = 32  # of a message
ARRAYS_MAX_BYTES = 512 << 20  # of all arrays of a message; a full capture ring has some 190 MB of headers
DIMENSIONS_MAX = 4
FIELDS_MAX = 64
FORMAT = re.compile(r"\|[biu]1|<[iu][248]|<f[48]|\|V[1-9][0-9]{0,3}")
FIELD = re.compile(r"[a-z][a-z0-9_]{0,63}")


def item_bytes(dtype: list[tuple[str, str]] | str) -> int:
    """Return the size of an element of a described type.

    Raises:
        ChannelFaultError: it is not one that may be sent.
    """
    fields = [("field", dtype)] if isinstance(dtype, str) else dtype
    names = {name for name, _ in fields}
    if not (len(fields) == len(names) <= FIELDS_MAX and fields):
        raise ChannelFaultError(f"an array with {len(fields)} fields of {len(names)} names was announced")
    for name, text in fields:
        if not (FIELD.fullmatch(name) and FORMAT.fullmatch(text)):
            raise ChannelFaultError(f"an array with a field {name[:80]!r} of type {text[:80]!r} was announced")
    return sum(int(text[2:]) for _, text in fields)


def array_bytes(head: ArrayHead) -> int:
    """Return how many bytes of an array follow.

    Raises:
        ChannelFaultError: the description is not one that may be sent.
    """
    size = item_bytes(head.dtype)
    if not 1 <= len(head.shape) <= DIMENSIONS_MAX or not all(0 <= length <= ARRAYS_MAX_BYTES for length in head.shape):
        raise ChannelFaultError(f"an array of shape {str(head.shape)[:80]} was announced")
    total = size * math.prod(head.shape)
    if total > ARRAYS_MAX_BYTES:
        raise ChannelFaultError(f"an array of {total} bytes was announced, and {ARRAYS_MAX_BYTES} is the most")
    return total


def check_heads(heads: Mapping[str, ArrayHead]) -> None:
    """Raise ChannelFaultError unless all of these arrays may follow one message."""
    if len(heads) > ARRAYS_MAX:
        raise ChannelFaultError(f"{len(heads)} arrays were announced, and {ARRAYS_MAX} is the most")
    total = sum(array_bytes(head) for head in heads.values())
    if total > ARRAYS_MAX_BYTES:
        raise ChannelFaultError(f"arrays of {total} bytes were announced, and {ARRAYS_MAX_BYTES} is the most")


def describe_array(array: "npt.NDArray[Any]") -> ArrayHead:
    """Return the description of an array, which must not be big-endian nor have padding or objects.

    Raises:
        ChannelFaultError: it is not of a type that may be sent.
    """
    description: Any = array.dtype.descr if array.dtype.names else array.dtype.str
    head = ArrayHead(description, list(array.shape))
    array_bytes(head)
    return head


def cut_array(array: "npt.NDArray[Any]") -> Iterator[bytes]:
    """Yield the pieces of an array in C order, each of PIECE_BYTES but for the last."""
    import numpy as np  # noqa: PLC0415  what sends no arrays starts without it

    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    for start in range(0, len(flat), PIECE_BYTES):
        yield flat[start : start + PIECE_BYTES].tobytes()


def rebuild_array(head: ArrayHead, data: bytearray) -> "npt.NDArray[Any]":
    """Return the described array on the bytes that came.

    Raises:
        ChannelFaultError: a bool of it is neither 0 nor 1.
    """
    import numpy as np  # noqa: PLC0415  what receives no arrays starts without it

    array = np.frombuffer(data, np.dtype(head.dtype)).reshape(head.shape)
    for part in [array[name] for name in array.dtype.names] if array.dtype.names else [array]:
        if part.dtype == np.bool_ and not is_binary(part):
            raise ChannelFaultError("an array came with a bool that is neither 0 nor 1")
    return array


def is_binary(bools: "npt.NDArray[np.bool_]") -> bool:
    """Tell whether every bool of an array is 0 or 1 in memory."""
    import numpy as np  # noqa: PLC0415  as above

    return bool((bools.view(np.uint8) <= 1).all())
