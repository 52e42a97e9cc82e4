# SPDX-License-Identifier: MIT
"""pcapng files: blocks of any kind, some of which are packets (draft-ietf-opsawg-pcapng)."""

import struct
from collections.abc import Iterator

import numpy as np

from stress.model.errors import UsageError
from stress.store.capture_file.batch import Batch, FileFacts
from stress.store.capture_file.fields import PADDING
from stress.store.capture_file.pcapng_packets import BODY, Blocks, read_blocks
from stress.store.capture_file.pcapng_section import Section
from stress.store.capture_file.stream import CaptureStream

MAGIC = b"\n\r\r\n"  # kind of the block that begins a section: the same in both byte orders
SECTION = int.from_bytes(MAGIC)
ORDER_MAGIC = 0x1A2B_3C4D
BLOCK_BYTES = 12  # of an empty block: its kind, and its length at both ends
BLOCK_MAX = 16 << 20  # names and secrets may be long


def walk_pcapng(stream: CaptureStream, head: bytes, facts: FileFacts) -> Iterator[Batch]:
    """Yield the packets of a pcapng file; blocks of other kinds are skipped.

    Args:
        stream: the file.
        head: its first bytes, already read from it.
        facts: to be filled in.

    Raises:
        UsageError: the file is damaged.
    """
    facts.kind = "pcapng"
    section = Section("<", 0)
    offset, rest = 0, head
    while more := stream.read_piece():
        buffer = b"".join((rest, more, PADDING))
        at, end = 0, len(buffer) - len(PADDING)
        while at + BLOCK_BYTES <= end:
            if buffer.startswith(MAGIC, at):
                add_drops(section, facts)
                section = begin_section(stream, buffer, at, offset, section)
            begins, following = walk_blocks(stream, buffer, at, offset, section.order)
            if not begins:  # the block goes on in the next piece
                break
            yield read_blocks(Blocks(stream, buffer, offset, section, np.array(begins, np.int64)), facts)
            at = following
        offset += at
        rest = buffer[at:end]
    add_drops(section, facts)
    facts.is_truncated = bool(rest) or stream.is_cut
    if not offset:
        raise UsageError(f"{stream.name} ends within its header, so it has no packet: copy it again.")


def begin_section(stream: CaptureStream, buffer: bytes, at: int, offset: int, before: Section) -> Section:
    """Return the section that begins ``at`` a place of a piece.

    Raises:
        UsageError: its byte order is none.
    """
    for order in "<>":
        if struct.unpack_from(f"{order}I", buffer, at + BODY) == (ORDER_MAGIC,):
            return Section(order, before.before + len(before.interfaces))
    raise stream.damage(offset + at, "a section has no byte order")


def add_drops(section: Section, facts: FileFacts) -> None:
    """Add the lost packets of a section that has ended, once."""
    for interface in section.interfaces:
        if interface.dropped:
            facts.dropped = (facts.dropped or 0) + sum(interface.dropped.values())
            interface.dropped = {}


def walk_blocks(stream: CaptureStream, buffer: bytes, at: int, offset: int, order: str) -> tuple[list[int], int]:
    """Find the blocks that lie completely in a piece, from a place on, until the next section.

    Args:
        stream: the file, for messages.
        buffer: the piece, with PADDING after it.
        at: where the first block begins.
        offset: of the piece in the file.
        order: of bytes.

    Returns:
        where each block begins; where the first one begins that is not complete or of another section.

    Raises:
        UsageError: a length is impossible.
    """
    begins: list[int] = []
    append = begins.append
    read_kind_and_size = struct.Struct(f"{order}II").unpack_from
    first, end = at, len(buffer) - len(PADDING)
    while at + BLOCK_BYTES <= end:
        kind, size = read_kind_and_size(buffer, at)
        if kind == SECTION and at != first:
            break
        if size < BLOCK_BYTES or size > BLOCK_MAX or size & 3:
            raise stream.damage(offset + at, f"a block says that it has {size:,} bytes")
        if at + size > end:
            break
        append(at)
        at += size
    return begins, at
