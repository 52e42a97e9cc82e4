# SPDX-License-Identifier: MIT
"""Blocks of a pcapng file, many at once: interfaces, their statistics, packets of all three kinds."""

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.model.segment import INCOMING, NO_DIRECTION, OUTGOING
from stress.model.units import SECOND_NS
from stress.store.capture_file.batch import Batch, FileFacts
from stress.store.capture_file.fields import Fields, Places
from stress.store.capture_file.pcapng_section import SECONDS_MAX, Section, read_drops, read_interface
from stress.store.capture_file.stream import CaptureStream

INTERFACE, OLD_PACKET, SIMPLE_PACKET, STATISTICS, PACKET = 1, 2, 3, 5, 6
BODY = 8  # where in a block its body begins
PACKET_BYTES, SIMPLE_PACKET_BYTES = 32, 16  # of the blocks of empty packets
OPTION_END, OPTION_FLAGS = 0, 2
OPTIONS_MAX = 8  # of a packet, of which its direction may be one
DIRECTIONS = np.array([NO_DIRECTION, INCOMING, OUTGOING, NO_DIRECTION])  # by the two lowest flags


@dataclass(frozen=True)
class Blocks:
    """Blocks of one section that follow each other in a piece of a file.

    Attributes:
        stream: the file.
        buffer: the piece, with PADDING after it.
        offset: its place in the file.
        section: theirs.
        begin: shape (blocks,), where in the piece each begins.
    """

    stream: CaptureStream
    buffer: bytes
    offset: int
    section: Section
    begin: Places

    def check(self, is_impossible: npt.NDArray[np.bool_], begin: Places, what: str) -> None:
        """Refuse the first block that is impossible.

        Args:
            is_impossible: shape (blocks,).
            begin: shape (blocks,), where each begins.
            what: is impossible, in words.

        Raises:
            UsageError: there is one.
        """
        if (places := begin[is_impossible]).size:
            raise self.stream.damage(self.offset + int(places[0]), what)


def read_blocks(blocks: Blocks, facts: FileFacts) -> Batch:
    """Note what blocks say of interfaces, and return the packets among them.

    Raises:
        UsageError: a block is damaged.
    """
    numbers = Fields(blocks.buffer, blocks.section.order)
    kind, size = numbers.word(blocks.begin), numbers.word(blocks.begin + 4)
    what = "a block has two different lengths"
    blocks.check(numbers.word(blocks.begin + size - 4) != size, blocks.begin, what)
    for number in np.flatnonzero((kind == INTERFACE) | (kind == STATISTICS)).tolist():
        at = int(blocks.begin[number])
        read_description(blocks, at, blocks.buffer[at + BODY : at + int(size[number]) - 4], int(kind[number]))
    is_packet = np.isin(kind, (PACKET, OLD_PACKET, SIMPLE_PACKET))
    return read_packets(blocks, numbers, blocks.begin[is_packet], kind[is_packet], facts)


def read_description(blocks: Blocks, at: int, body: bytes, kind: int) -> None:
    """Note an interface, or the statistics of one.

    Raises:
        UsageError: it is damaged.
    """
    section = blocks.section
    try:
        if kind == INTERFACE:
            section.interfaces.append(read_interface(section.order, body))
            if not section.interfaces[-1].is_possible:
                raise blocks.stream.damage(blocks.offset + at, "an interface has an impossible resolution")
            return
        number, dropped = read_drops(section.order, body)
    except struct.error as error:
        raise blocks.stream.damage(blocks.offset + at, "a block is too short") from error
    if number < len(section.interfaces):
        section.interfaces[number].dropped.update(dropped)


def read_packets(blocks: Blocks, numbers: Fields, at: Places, kind: npt.NDArray[np.int64], facts: FileFacts) -> Batch:
    """Return the packets whose blocks begin ``at`` some places.

    Raises:
        UsageError: one is damaged.
    """
    section = blocks.section
    size = numbers.word(at + 4)
    is_simple = kind == SIMPLE_PACKET
    body_bytes = size - np.where(is_simple, SIMPLE_PACKET_BYTES, PACKET_BYTES)
    blocks.check(body_bytes < 0, at, "a packet's block is too short")
    number = np.select([is_simple, kind == OLD_PACKET], [0, numbers.half(at + 8)], numbers.word(at + 8))
    blocks.check(number >= len(section.interfaces), at, "a packet is of an interface that was not described")
    length = np.where(is_simple, numbers.word(at + 8), numbers.word(at + 24))
    stored = np.where(is_simple, np.minimum(length, body_bytes), numbers.word(at + 20))
    if is_simple.any() and (snap_bytes := section.interfaces[0].snap_bytes):
        stored[is_simple] = np.minimum(stored, snap_bytes)[is_simple]
    blocks.check(stored > body_bytes, at, "a packet is longer than its block")
    begin = at + np.where(is_simple, 12, 28)
    ticks = (numbers.word(at + 12).astype(np.uint64) << np.uint64(32)) | numbers.word(at + 16).astype(np.uint64)
    time_ns, link = np.zeros(len(at), np.int64), np.zeros(len(at), np.int64)
    for index in np.unique(number).tolist():
        interface, rows = section.interfaces[index], number == index
        seconds, below_ns = interface.split_times(ticks[rows])
        blocks.check(
            ~is_simple[rows] & ((seconds < 0) | (seconds >= SECONDS_MAX)), at[rows], "a packet has an impossible time"
        )
        time_ns[rows], link[rows] = seconds * SECOND_NS + below_ns, interface.link
        facts.note_interface(interface.snap_bytes, interface.resolution_ns)
    return Batch(
        fields=Fields(blocks.buffer),
        begin=begin,
        end=begin + stored,
        length=np.maximum(length, stored),
        time_ns=time_ns,
        is_timed=~is_simple,
        link=link,
        device=number + section.before,
        direction=read_directions(numbers, begin + stored + -stored % 4, np.where(is_simple, 0, at + size - 4)),
    )


def read_directions(numbers: Fields, at: Places, end: Places) -> npt.NDArray[np.int64]:
    """Return the direction of each packet by the options of its block.

    Args:
        numbers: the piece of the file.
        at: shape (packets,), where the options begin.
        end: where the last one ends.
    """
    direction = np.full(len(at), NO_DIRECTION)
    at = at.copy()
    active = np.flatnonzero(at + 8 <= end)
    for _ in range(OPTIONS_MAX):
        if not active.size:
            break
        code, length = numbers.half(at[active]), numbers.half(at[active] + 2)
        is_direction = (code == OPTION_FLAGS) & (length == 4)
        rows = active[is_direction]
        direction[rows] = DIRECTIONS[numbers.word(at[rows] + 4) & 3]
        at[active] += 4 + length + -length % 4
        active = active[~is_direction & (code != OPTION_END)]
        active = active[at[active] + 8 <= end[active]]
    return direction
