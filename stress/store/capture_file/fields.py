# SPDX-License-Identifier: MIT
"""Numbers at any places of a buffer, read all at once."""

from typing import Any

import numpy as np
import numpy.typing as npt

PADDING = bytes(64)  # after the buffer: the longest TCP header may be cut anywhere

Places = npt.NDArray[np.int64]


class Fields:
    """A buffer, of which numbers are read at given places. Whoever reads sees to it that they lie within it."""

    def __init__(self, buffer: bytes, order: str = ">") -> None:
        """Wrap a buffer that ends with PADDING.

        Args:
            buffer: the bytes.
            order: of its numbers: ``>`` big endian, as networks have it, or ``<``.
        """
        self.buffer = buffer
        self.order = order

    def gather(self, kind: str, size: int, at: Places) -> npt.NDArray[Any]:
        """Return what lies at some places, shape (places,), of a numpy type that has ``size`` bytes."""
        # Each item begins one byte after the one before: no copy is made, whatever the alignment is.
        overlapping: npt.NDArray[Any] = np.ndarray((len(self.buffer) - size + 1,), kind, self.buffer, strides=(1,))
        return overlapping[at]

    def byte(self, at: Places) -> npt.NDArray[np.int64]:
        """Return the bytes at some places, shape (places,)."""
        return self.gather("u1", 1, at).astype(np.int64)

    def half(self, at: Places) -> npt.NDArray[np.int64]:
        """Return the numbers of 16 bits at some places, shape (places,)."""
        return self.gather(f"{self.order}u2", 2, at).astype(np.int64)

    def word(self, at: Places) -> npt.NDArray[np.int64]:
        """Return the numbers of 32 bits at some places, shape (places,)."""
        return self.gather(f"{self.order}u4", 4, at).astype(np.int64)

    def address(self, at: Places, size: int) -> npt.NDArray[np.void]:
        """Return the addresses at some places, shape (places,), V16; those of 4 bytes are followed by zeros."""
        if size == 16:
            return self.gather("V16", 16, at)
        addresses = np.zeros((len(at), 4), "<u4")
        addresses[:, 0] = self.gather("<u4", 4, at)
        return addresses.view("V16").ravel()
