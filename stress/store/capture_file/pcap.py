# SPDX-License-Identifier: MIT
"""pcap files: a header, then packets, each after a header of its own (draft-ietf-opsawg-pcap)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stress.model.errors import UsageError
from stress.model.segment import INCOMING, NO_DIRECTION, OUTGOING
from stress.model.units import SECOND_NS
from stress.store.capture_file.batch import Batch, FileFacts
from stress.store.capture_file.fields import PADDING, Fields
from stress.store.capture_file.stream import CaptureStream

HEADER_BYTES = 24
PATCHED_BYTES = 24  # header of a packet
STORED_MAX = 262_144  # MAXIMUM_SNAPLEN of libpcap for all links that have IP packets
LINK_MASK = 0x03FF_FFFF  # above it is the length of a frame check sequence (libpcap, LT_LINKTYPE)
PACKET_OUTGOING = 4  # linux/if_packet.h


@dataclass(frozen=True)
class Dialect:
    """A kind of pcap file.

    Attributes:
        words: its name.
        resolution_ns: of its timestamps.
        record_bytes: length of the header of each packet.
    """

    words: str
    resolution_ns: int
    record_bytes: int = 16


DIALECTS = {
    0xA1B2C3D4: Dialect("pcap", 1000),
    0xA1B23C4D: Dialect("pcap, ns", 1),
    # Linux distributions around 2000 patched libpcap: index of the device, protocol, packet type (libpcap, sf-pcap.c).
    0xA1B2CD34: Dialect("pcap, patched by Kuznetzov", 1000, PATCHED_BYTES),
}


def find_dialect(magic: bytes) -> tuple[str, Dialect] | None:
    """Return the byte order and the dialect of a file that begins with some bytes; None: it is no pcap file."""
    for order in "<>":
        (number,) = struct.unpack(f"{order}I", magic[:4])
        if number in DIALECTS:
            return order, DIALECTS[number]
    return None


@dataclass(frozen=True)
class Piece:
    """A piece of a file, from the header of a packet on, with PADDING after it; ``offset`` is its place in the file."""

    stream: CaptureStream
    buffer: bytes
    offset: int
    order: str
    dialect: Dialect


def walk_pcap(stream: CaptureStream, head: bytes, facts: FileFacts) -> Iterator[Batch]:
    """Yield the packets of a pcap file.

    Args:
        stream: the file.
        head: its first bytes, already read from it.
        facts: to be filled in.

    Raises:
        UsageError: the file is damaged, or of a version that nobody writes.
    """
    order, dialect = find_dialect(head) or ("<", DIALECTS[0xA1B2C3D4])
    header = head + stream.read_piece(HEADER_BYTES - len(head))
    if len(header) < HEADER_BYTES:
        raise UsageError(f"{stream.name} ends within its header, so it has no packet: copy it again.")
    major, minor, _, _, facts.snap_bytes, network = struct.unpack(f"{order}HHiIII", header[4:])
    if (major, minor) != (2, 4):
        raise UsageError(
            f"{stream.name} is a pcap file of version {major}.{minor}, and only 2.4 is read: convert it with "
            f"`editcap {stream.name} new.pcapng`."
        )
    facts.kind, facts.resolution_ns = dialect.words, dialect.resolution_ns
    offset, rest = HEADER_BYTES, b""
    while more := stream.read_piece():
        piece = Piece(stream, b"".join((rest, more, PADDING)), offset, order, dialect)
        begins, used = walk_records(piece)
        yield read_records(piece, begins, network & LINK_MASK)
        offset += used
        rest = piece.buffer[used : -len(PADDING)]
    facts.is_truncated = bool(rest) or stream.is_cut


def walk_records(piece: Piece) -> tuple[list[int], int]:
    """Find the packets that lie completely in a piece.

    Returns:
        where each packet begins, after its header; where the first header begins whose packet is not complete.

    Raises:
        UsageError: a length is impossible.
    """
    begins: list[int] = []
    append = begins.append
    read_stored = struct.Struct(f"{piece.order}I").unpack_from
    buffer, record_bytes, end = piece.buffer, piece.dialect.record_bytes, len(piece.buffer) - len(PADDING)
    at = 0
    while at + record_bytes <= end:
        (stored,) = read_stored(buffer, at + 8)
        if stored > STORED_MAX:
            raise piece.stream.damage(piece.offset + at, f"a packet says that {stored:,} bytes of it were stored")
        begin = at + record_bytes
        if begin + stored > end:
            break
        append(begin)
        at = begin + stored
    return begins, at


def read_records(piece: Piece, begins: list[int], link: int) -> Batch:
    """Return the packets that begin at some places of a piece.

    Raises:
        UsageError: a time has more than a second below its seconds: what was read there is no packet's header.
    """
    begin = np.array(begins, np.int64)
    header = begin - piece.dialect.record_bytes
    numbers = Fields(piece.buffer, piece.order)
    stored = numbers.word(header + 8)
    fraction_ns = numbers.word(header + 4) * piece.dialect.resolution_ns
    if (impossible := header[fraction_ns > SECOND_NS]).size:
        raise piece.stream.damage(piece.offset + int(impossible[0]), "a packet has an impossible time")
    device, direction = np.full(len(begin), -1), np.full(len(begin), NO_DIRECTION)
    if piece.dialect.record_bytes == PATCHED_BYTES:
        device = numbers.word(header + 16).astype("<i4").astype(np.int64)
        direction = np.where(numbers.byte(header + 22) == PACKET_OUTGOING, OUTGOING, INCOMING)
    return Batch(
        fields=Fields(piece.buffer),
        begin=begin,
        end=begin + stored,
        length=np.maximum(numbers.word(header + 12), stored),
        time_ns=numbers.word(header) * SECOND_NS + fraction_ns,
        is_timed=np.ones(len(begin), np.bool_),
        link=np.full(len(begin), link),
        device=device,
        direction=direction,
    )
