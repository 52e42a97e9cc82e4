# SPDX-License-Identifier: MIT
"""Conversations: the segments of a capture sorted by connection, each with its direction."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.model.segment import ACK, NO_ICMP, RST, SYN

# Multipliers of splitmix64 (Steele, Lea and Flood 2014), which spread every bit over all others.
MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


@dataclass(frozen=True)
class Conversations:
    """The segments of connections of which a SYN was captured; those of a connection are together, ordered by time.

    Attributes:
        row: of each in the array of all segments, shape (segments,).
        connection: its number, ascending, shape (segments,).
        is_forward: which of the two ways it goes, shape (segments,); of an ICMP error, the segment that it quotes.
        to_itself: whether both ends are one, which makes ``is_forward`` meaningless, shape (segments,).
        time_ns, sequence, acknowledgment, payload, flags: as in SEGMENT, shape (segments,).
        is_segment: whether it is no ICMP error, shape (segments,).
        without_syn: how many connections were left out, because the capture began in their middle, or shows one
            direction of them.
    """

    row: npt.NDArray[np.intp]
    connection: npt.NDArray[np.int64]
    is_forward: npt.NDArray[np.bool_]
    to_itself: npt.NDArray[np.bool_]
    time_ns: npt.NDArray[np.int64]
    sequence: npt.NDArray[np.uint32]
    acknowledgment: npt.NDArray[np.uint32]
    payload: npt.NDArray[np.uint32]
    flags: npt.NDArray[np.uint8]
    is_segment: npt.NDArray[np.bool_]
    without_syn: int


def mix_bits(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return a number for each number that depends on all its bits: splitmix64's output function."""
    mixed = numbers + MIX[0]
    mixed ^= mixed >> np.uint64(30)
    mixed *= MIX[1]
    mixed ^= mixed >> np.uint64(27)
    mixed *= MIX[2]
    mixed ^= mixed >> np.uint64(31)
    return mixed


def number_ends(addresses: npt.NDArray[Any], ports: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint64]:
    """Return 64 bits for each address and port, shape (segments,), that two ends of a capture hardly ever share.

    Of n ends two are equal by chance with a probability of n² / 2**65: for a million 3 in 100 million.
    """
    halves = np.ascontiguousarray(addresses).view("<u8").reshape(-1, 2)
    return mix_bits(mix_bits(halves[:, 0]) ^ halves[:, 1] * MIX[2]) ^ mix_bits(ports.astype(np.uint64) * MIX[1])


def is_syn(flags: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return which segments ask for a connection."""
    asks: npt.NDArray[np.bool_] = flags & (SYN | ACK | RST) == SYN
    return asks


def sort_conversations(rows: npt.NDArray[Any], index: npt.NDArray[np.intp]) -> Conversations:
    """Return the conversations of some segments.

    Args:
        rows: all segments, ordered by time, dtype SEGMENT.
        index: those to sort, ascending: of one point of capture.
    """
    whole = len(index) == len(rows)

    def column(name: str) -> npt.NDArray[Any]:
        values: npt.NDArray[Any] = rows[name] if whole else rows[name][index]
        return values

    sources = number_ends(column("source"), column("source_port"))
    destinations = number_ends(column("destination"), column("destination_port"))
    keys = mix_bits(sources) + mix_bits(destinations)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    is_first = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
    connection = np.cumsum(is_first) - 1
    asks = (is_syn(column("flags")) & (column("icmp_type") == NO_ICMP))[order]
    has_syn = np.zeros(int(is_first.sum()), np.bool_)
    has_syn[connection[asks]] = True
    wanted = has_syn[connection]
    order, connection = order[wanted], connection[wanted]
    row = index[order]
    return Conversations(
        row=row,
        connection=connection,
        is_forward=(sources < destinations)[order],
        to_itself=(sources == destinations)[order],
        time_ns=rows["time_ns"][row],
        sequence=rows["sequence"][row],
        acknowledgment=rows["acknowledgment"][row],
        payload=rows["payload"][row],
        flags=rows["flags"][row],
        is_segment=rows["icmp_type"][row] == NO_ICMP,
        without_syn=int((~has_syn).sum()),
    )
