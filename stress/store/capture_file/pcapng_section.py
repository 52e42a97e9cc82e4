# SPDX-License-Identifier: MIT
"""What blocks of a pcapng file say about the packets after them: sections, interfaces, their statistics."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stress.model.units import SECOND_NS

END_OF_OPTIONS, RESOLUTION, OFFSET = 0, 9, 14  # of an interface
DROPPED_BY_INTERFACE, DROPPED_BY_SYSTEM = 5, 7  # of its statistics
POWER_OF_TWO = 0x80
DECIMALS_MAX, BITS_MAX = 19, 63  # of a number of 64 bits
SECONDS_MAX = 1 << 32  # in 2106, where the numbers of pcap files end
BITS_OF_PRODUCT = 34  # 2 ** 34 nanoseconds per second still fit into 64 bits


@dataclass
class Interface:
    """An interface.

    Attributes:
        link: LINKTYPE_….
        snap_bytes: the limit of the capture; 0: none.
        resolution: exponent of a tick in seconds; by POWER_OF_TWO of 2, else of 10.
        offset_s: to be added to its times.
        dropped: by cause, packets that were lost since the capture began.
    """

    link: int
    snap_bytes: int
    resolution: int = 6
    offset_s: int = 0
    dropped: dict[int, int] = field(default_factory=dict)

    @property
    def is_possible(self) -> bool:
        """Whether times of 64 bits can have its resolution."""
        exponent = self.resolution & ~POWER_OF_TWO
        return exponent <= (BITS_MAX if self.resolution & POWER_OF_TWO else DECIMALS_MAX)

    @property
    def resolution_ns(self) -> int:
        """A tick, at least 1 ns."""
        exponent = self.resolution & ~POWER_OF_TWO
        base = 2 if self.resolution & POWER_OF_TWO else 10
        return max(1, SECOND_NS // int(base**exponent))

    def split_times(self, ticks: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return times since 1970 as seconds, at most SECONDS_MAX or less than 0 where they are impossible, and ns."""
        exponent = self.resolution & ~POWER_OF_TWO
        if self.resolution & POWER_OF_TWO:
            seconds, below = ticks >> np.uint64(exponent), ticks & np.uint64((1 << exponent) - 1)
            lost = max(0, exponent - BITS_OF_PRODUCT)
            below_ns = ((below >> np.uint64(lost)) * np.uint64(SECOND_NS)) >> np.uint64(exponent - lost)
        else:
            seconds, below = np.divmod(ticks, np.uint64(10**exponent))
            below_ns = below * np.uint64(10 ** max(0, 9 - exponent)) // np.uint64(10 ** max(0, exponent - 9))
        offset_s = min(max(self.offset_s, -SECONDS_MAX), SECONDS_MAX)
        sums = np.minimum(seconds, np.uint64(2 * SECONDS_MAX)).astype(np.int64) + offset_s
        return np.minimum(sums, SECONDS_MAX), below_ns.astype(np.int64)


@dataclass
class Section:
    """A section: its byte order, its interfaces, and how many interfaces the file had in those before."""

    order: str
    before: int
    interfaces: list[Interface] = field(default_factory=list)


def read_interface(order: str, body: bytes) -> Interface:
    """Return the interface that the body of a block describes: what is between its lengths.

    Raises:
        struct.error: the body is too short.
    """
    link, _, snap_bytes = struct.unpack_from(f"{order}HHI", body)
    interface = Interface(link, snap_bytes)
    for code, value in list_options(order, body[8:]):
        if code == RESOLUTION and len(value) == 1:
            interface.resolution = value[0]
        if code == OFFSET and len(value) == 8:
            (interface.offset_s,) = struct.unpack(f"{order}q", value)
    return interface


def read_drops(order: str, body: bytes) -> tuple[int, dict[int, int]]:
    """Return the interface that the body of a block of statistics is about, and its numbers of lost packets, by cause.

    Raises:
        struct.error: the body is too short.
    """
    (number,) = struct.unpack_from(f"{order}I", body)
    return number, {
        code: struct.unpack(f"{order}Q", value)[0]
        for code, value in list_options(order, body[12:])
        if code in (DROPPED_BY_INTERFACE, DROPPED_BY_SYSTEM) and len(value) == 8
    }


def list_options(order: str, data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield codes and values of the options of a block; one that is longer than what is left ends them."""
    at = 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from(f"{order}HH", data, at)
        if code == END_OF_OPTIONS or at + 4 + length > len(data):
            return
        yield code, data[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4
