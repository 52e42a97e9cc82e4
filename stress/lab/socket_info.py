# SPDX-License-Identifier: MIT
"""What the kernel tells of each socket of a dump in struct tcp_info (linux/tcp.h), read of all at the same time."""

import socket
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stress.lab import census, inet_diag

LIMIT = 1_000_000
BATCH_BYTES = 1 << 20  # numpy takes 80 sockets in hardly less time than 2,000


class SocketInfo(NamedTuple):
    """The struct tcp_info of some sockets.

    Attributes:
        data: bytes of a dump.
        places: where each struct begins in it, shape (sockets,); -1: the kernel sent none.
        sizes: how many bytes it has, shape (sockets,); those of a new kernel have more.
    """

    data: npt.NDArray[np.uint8]
    places: npt.NDArray[np.intp]
    sizes: npt.NDArray[np.intp]

    def rows_with(self, offset: int, kind: str) -> npt.NDArray[np.intp]:
        """Return which sockets' structs have a field; ``offset`` and ``kind`` as ``number`` has them."""
        return np.flatnonzero(self.sizes >= offset + np.dtype(kind).itemsize)

    def number(self, rows: npt.NDArray[np.intp], offset: int, kind: str) -> npt.NDArray[np.int64]:
        """Return a field of some sockets' structs, shape (rows,).

        Args:
            rows: of which sockets, some of ``rows_with``.
            offset: bytes from the beginning of the struct.
            kind: type of the field, "=u4" or "=u8".
        """
        return number_at(self.data, self.places[rows] + offset, kind).astype(np.int64)


def dump_informed(
    family: int, states: Iterable[str], *, local_port: int = 0, limit: int = LIMIT
) -> Iterator[tuple[npt.NDArray[Any], SocketInfo]]:
    """Yield the TCP sockets of this namespace in some states with their struct tcp_info, in parts of one dump.

    Args:
        family: 4 or 6, of the sockets, as ``census.list_sockets`` has it.
        states: names in census.MASKS.
        local_port: only sockets with this local port; 0 is any.
        limit: no more sockets than this.

    Returns:
        Of each part the sockets, shape (sockets,), dtype census.MESSAGE, and what is told of them.

    Raises:
        LabError: the kernel does not list TCP sockets.
    """
    left = limit
    domain = socket.AF_INET if family == 4 else socket.AF_INET6
    for data, all_begins in join_datagrams(domain, census.state_mask(states), local_port):
        raw, begins = np.frombuffer(data, np.uint8), all_begins[:left]
        yield (
            raw[begins[:, None] + np.arange(inet_diag.MESSAGE_BYTES)].view(census.MESSAGE)[:, 0],
            find_info(raw, begins),
        )
        left -= len(begins)
        if not left:
            break


def join_datagrams(domain: int, mask: int, local_port: int) -> Iterator[tuple[bytes, npt.NDArray[np.intp]]]:
    """Yield parts of a dump with INFO, several datagrams in one, and where each message begins in it."""
    parts: list[bytes] = []
    begins: list[int] = []
    size = 0
    for data, offsets in inet_diag.dump_datagrams(domain, mask, attribute=inet_diag.INFO, local_port=local_port):
        begins += [offset + size for offset in offsets]
        parts.append(data)
        size += len(data)
        if size >= BATCH_BYTES:
            yield b"".join(parts), np.array(begins, np.intp)
            parts, begins, size = [], [], 0
    yield b"".join(parts), np.array(begins, np.intp)


def find_info(data: npt.NDArray[np.uint8], begins: npt.NDArray[np.intp]) -> SocketInfo:
    """Return where the struct tcp_info of each message is.

    Args:
        data: of a dump.
        begins: where each inet_diag_msg begins in it, after its netlink header.
    """
    lengths = number_at(data, begins - inet_diag.HEADER.size, "=u4").astype(np.intp)
    ends = begins - inet_diag.HEADER.size + lengths
    return SocketInfo(data, *find_attribute(data, begins + inet_diag.MESSAGE_BYTES, ends, inet_diag.INFO))


def find_attribute(
    data: npt.NDArray[np.uint8], begins: npt.NDArray[np.intp], ends: npt.NDArray[np.intp], kind: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return where the attribute of a type is in each message, as ``inet_diag.parse_attributes`` does in one.

    All messages are read at the same time, one attribute after the other.

    Args:
        data: bytes of all messages.
        begins: where the attributes of each message begin.
        ends: where they end.
        kind: type of the attribute.

    Returns:
        Where its content begins and how many bytes it has, each of shape (messages,); -1 and 0 where there is none.
    """
    places, sizes = np.full(len(begins), -1, np.intp), np.zeros(len(begins), np.intp)
    rows, cursors = np.arange(len(begins)), begins
    while len(rows):
        whole = cursors + inet_diag.ATTRIBUTE.size <= ends[rows]
        rows, cursors = rows[whole], cursors[whole]
        lengths = number_at(data, cursors, "=u2").astype(np.intp)
        kinds = number_at(data, cursors + 2, "=u2") & inet_diag.TYPE_MASK
        whole = (lengths >= inet_diag.ATTRIBUTE.size) & (cursors + lengths <= ends[rows])
        wanted = whole & (kinds == kind)
        places[rows[wanted]] = cursors[wanted] + inet_diag.ATTRIBUTE.size
        sizes[rows[wanted]] = lengths[wanted] - inet_diag.ATTRIBUTE.size
        more = whole & ~wanted
        rows, cursors = rows[more], cursors[more] + ((lengths[more] + 3) & ~3)
    return places, sizes


def number_at(data: npt.NDArray[np.uint8], places: npt.NDArray[np.intp], kind: str) -> npt.NDArray[Any]:
    """Return a number of some type from each place, shape (places,)."""
    numbers: npt.NDArray[Any] = data[places[:, None] + np.arange(np.dtype(kind).itemsize)].view(kind)[:, 0]
    return numbers
