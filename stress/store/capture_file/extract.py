# SPDX-License-Identifier: MIT
"""Copy chosen packets of capture files into one new file, without the data that they carry."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.model.errors import UsageError
from stress.model.units import SECOND_NS
from stress.store.capture_file.batch import FileFacts
from stress.store.capture_file.pcap import STORED_MAX
from stress.store.capture_file.pcapng import ORDER_MAGIC, SECTION
from stress.store.capture_file.pcapng_packets import INTERFACE, PACKET
from stress.store.capture_file.read import walk_packets
from stress.store.capture_file.segments import read_segments
from stress.store.capture_file.stream import CaptureStream

PCAP_NS, ETHERNET = 0xA1B2_3C4D, 1
NO_LENGTH = -1  # of a section
RESOLUTION_NS = struct.pack("<HHBxxxHH", 9, 1, 9, 0, 0)  # the option if_tsresol: 10^-9 s; the end of the options


@dataclass(frozen=True)
class Record:
    """A packet: its time, its LINKTYPE_…, what is stored of it, and its bytes on the wire."""

    time_ns: int
    link: int
    data: bytes
    length: int


def copy_frames(paths: Sequence[Path], rows: npt.NDArray[Any], path: Path) -> int:
    """Copy the packets of some segments into a new file, ordered by time, each once.

    The file is a pcap file with timestamps in ns. When links of several types are among the packets it is a pcapng
    file, which alone can say so, and which Wireshark reads and tcpdump does not. The packets are in memory meanwhile.
    Data after the TCP headers, which may be private, is left out.

    Args:
        paths: the files, as they were given to ``read_captures``.
        rows: the segments, dtype SEGMENT.
        path: of the new file.

    Returns:
        how many packets were copied.

    Raises:
        UsageError: a file can no longer be read as it was.
    """
    records: list[Record] = []
    for number, source in enumerate(paths):
        frames = np.unique(rows["frame"][rows["file"] == number]).astype(np.int64)
        if frames.size:
            copied = list(read_frames(source, frames))
            if len(copied) < len(frames):
                raise UsageError(f"{source} has fewer packets than when it was read: copy it before it is read.")
            records += copied
    records.sort(key=lambda record: record.time_ns)
    links = sorted({record.link for record in records}) or [ETHERNET]
    with path.open("wb") as file:
        file.writelines(pcap_parts(records, links[0]) if len(links) == 1 else pcapng_parts(records, links))
    return len(records)


def read_frames(path: Path, frames: npt.NDArray[np.int64]) -> Iterator[Record]:
    """Yield some packets of a file without their data.

    Args:
        path: of the file.
        frames: shape (packets,), their numbers, ascending.
    """
    first, last = 0, int(frames[-1])
    with CaptureStream(path) as stream:
        for whole in walk_packets(stream, FileFacts()):
            inside = slice(*np.searchsorted(frames, [first, first + len(whole.begin)]).tolist())
            batch = whole.select(frames[inside] - first)
            arrays = (batch.time_ns, batch.link, batch.begin, read_segments(batch).headers_end, batch.length)
            for time_ns, link, begin, end, length in zip(*(array.tolist() for array in arrays), strict=True):
                yield Record(time_ns, link, batch.fields.buffer[begin:end], length)
            first += len(whole.begin)
            if first > last:
                return


def pcap_parts(records: list[Record], link: int) -> Iterator[bytes]:
    """Yield the parts of a pcap file."""
    yield struct.pack("<IHHiIII", PCAP_NS, 2, 4, 0, 0, STORED_MAX, link)
    for record in records:
        yield struct.pack("<IIII", *divmod(record.time_ns, SECOND_NS), len(record.data), record.length) + record.data


def pcapng_parts(records: list[Record], links: list[int]) -> Iterator[bytes]:
    """Yield the blocks of a pcapng file that has an interface for each link type."""
    yield pcapng_block(SECTION, struct.pack("<IHHq", ORDER_MAGIC, 1, 0, NO_LENGTH))
    for link in links:
        yield pcapng_block(INTERFACE, struct.pack("<HHI", link, 0, 0) + RESOLUTION_NS)
    for record in records:
        time = divmod(record.time_ns, 1 << 32)
        head = struct.pack("<IIIII", links.index(record.link), *time, len(record.data), record.length)
        yield pcapng_block(PACKET, head + record.data)


def pcapng_block(kind: int, body: bytes) -> bytes:
    """Return a block."""
    body += bytes(-len(body) % 4)
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size
