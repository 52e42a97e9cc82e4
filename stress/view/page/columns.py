# SPDX-License-Identifier: MIT
"""Columns of whole numbers, packed for a browser: byte by byte, deflated, in base64.

The lowest bytes of all values come first, then the next ones: bytes that hardly vary lie together, and deflate makes
almost nothing of them. A browser has all that it takes to read them: atob() and DecompressionStream("deflate-raw").
"""

import base64
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.model.chunk import chunks

EXACT_BITS = 53  # of whole numbers that JavaScript's only kind of number can hold
PIECE_BYTES = 1 << 20
# Whatever is noise has no repetitions to find: Huffman codes alone are shorter then, in a hundredth of the time.
STRATEGIES = ((1, zlib.Z_HUFFMAN_ONLY), (6, zlib.Z_FILTERED))


class Form(StrEnum):
    """How values became the unsigned numbers that are stored."""

    PLAIN = "plain"  # they are these numbers
    SIGNED = "signed"  # zigzag: 0, -1, 1, -2 … are stored as 0, 1, 2, 3 …
    STEPS = "steps"  # the differences from one value to the next, beginning at 0, as signed numbers


@dataclass(frozen=True)
class Column:
    """A packed column.

    Attributes:
        name: unique in the page.
        count: number of values.
        width: bytes of each value, 1 to 7.
        form: how values became unsigned numbers.
        data: ``width`` times ``count`` bytes, deflated without a header.
    """

    name: str
    count: int
    width: int
    form: Form
    data: bytes

    @property
    def text(self) -> str:
        """The data in base64."""
        return base64.b64encode(self.data).decode("ascii")


def pack_column(name: str, values: npt.NDArray[Any], *, as_steps: bool = False) -> Column:
    """Pack whole numbers.

    Args:
        name: of the column.
        values: shape (values,), integers.
        as_steps: whether to store differences, which are smaller where the values mostly ascend.

    Raises:
        ValueError: a value does not fit into 53 bits.
    """
    low, high = (int(function(values)) if len(values) else 0 for function in (np.min, np.max))
    if max(high, -low) >= 1 << EXACT_BITS - 1:  # so that differences fit too
        raise ValueError(f"the column {name} has values of more than {EXACT_BITS - 1} bits: {low} to {high}")
    form = Form.STEPS if as_steps else Form.SIGNED if low < 0 else Form.PLAIN
    most = max((int(unsigned(values, part, form).max()) for part in chunks(len(values))), default=0)
    width = max(1, (most.bit_length() + 7) // 8)
    planes = np.empty((width, len(values)), np.uint8)
    for part in chunks(len(values)):
        planes[:, part] = unsigned(values, part, form).astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width].T
    return Column(name, len(values), width, form, deflate_bytes(planes.reshape(-1)))


def unsigned(values: npt.NDArray[Any], part: slice, form: Form) -> npt.NDArray[np.int64]:
    """Return what some of the values are in a form."""
    numbers: npt.NDArray[np.int64] = values[part].astype(np.int64)
    if form is Form.STEPS:
        numbers = np.diff(numbers, prepend=np.int64(values[part.start - 1] if part.start else 0))
    return numbers if form is Form.PLAIN else (numbers << 1) ^ (numbers >> 63)


def deflate_text(text: str) -> str:
    """Return a text in UTF-8, deflated as columns are, in base64."""
    return base64.b64encode(deflate_bytes(np.frombuffer(text.encode(), np.uint8))).decode("ascii")


def deflate_bytes(octets: npt.NDArray[np.uint8]) -> bytes:
    """Deflate bytes without a header (RFC 1951), piece by piece with whatever makes the piece shorter."""
    packed = []
    for start in range(0, max(len(octets), 1), PIECE_BYTES):
        is_last = start + PIECE_BYTES >= len(octets)
        piece = octets[start : start + PIECE_BYTES].data
        packed.append(min((_deflate_piece(piece, *strategy, is_last=is_last) for strategy in STRATEGIES), key=len))
    return b"".join(packed)


def _deflate_piece(piece: memoryview, level: int, strategy: int, *, is_last: bool) -> bytes:
    """Deflate a piece that ends at a whole byte, so that the next one can follow."""
    stream = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, strategy)
    return stream.compress(piece) + stream.flush(zlib.Z_FINISH if is_last else zlib.Z_FULL_FLUSH)
