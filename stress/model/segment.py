# SPDX-License-Identifier: MIT
"""Segments: what a capture file holds of TCP, as one array, whatever program and link wrote it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# One TCP segment, or one ICMP error that quotes one. Addresses of IPv4 are followed by zeros.
SEGMENT = np.dtype(
    [
        ("time_ns", "<i8"),  # CLOCK_REALTIME of the capturing host
        ("source", "V16"),  # of the segment; of an ICMP error, of the segment that it quotes
        ("destination", "V16"),
        ("source_port", "<u2"),
        ("destination_port", "<u2"),
        ("sequence", "<u4"),
        ("acknowledgment", "<u4"),  # 0 where the packet was cut short before it
        ("window", "<u2"),
        ("flags", "u1"),  # of TCP: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128; of an error 0
        ("family", "u1"),  # 4 or 6
        ("payload", "<u4"),  # bytes of data, by the lengths in the headers
        ("options", "u1"),  # OPTION_…
        ("icmp_type", "u1"),  # NO_ICMP: it is a segment
        ("icmp_code", "u1"),
        ("hops", "u1"),  # TTL or hop limit, as captured
        ("identification", "<u2"),  # of IPv4; 0 in IPv6
        ("timestamp", "<u4"),  # TSval; 0 without the option
        ("timestamp_echo", "<u4"),  # TSecr
        ("device", "<i4"),  # interface of the capture: index of pcapng or SLL2; -1: not known
        ("direction", "u1"),  # INCOMING, OUTGOING or NO_DIRECTION
        ("file", "u1"),  # number of the file
        ("frame", "<u4"),  # number of the packet in its file, from 0
    ]
)
NO_ICMP = 255
NO_DIRECTION, INCOMING, OUTGOING = 0, 1, 2
# The last: cut short before the end of the options; of an error, before the end of the quoted sequence number.
OPTION_TIMESTAMP, OPTION_MP_CAPABLE, OPTION_FAST_OPEN, OPTION_CUT = 1, 2, 4, 8
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128


@dataclass(frozen=True)
class CaptureFile:
    """One capture file.

    Attributes:
        name: of the file.
        kind: in words: "pcapng", "pcap, ns".
        links: kinds of link layer, in words: "Ethernet", "Linux cooked v2".
        packets: in the file, of any protocol.
        segments: of them TCP segments and ICMP errors about such.
        skipped: by reason, packets that were not understood: "not IP", "fragment", "cut before the TCP header".
        snap_bytes: the limit of the capture; 0: none.
        cut: segments of which less was stored than was on the wire.
        is_truncated: the file ends within a packet.
        dropped: packets that the capturing program says it lost; None: not said.
        first_ns, last_ns: times of the first and the last packet, CLOCK_REALTIME.
        resolution_ns: of its timestamps.
    """

    name: str
    kind: str
    links: list[str]
    packets: int
    segments: int
    skipped: dict[str, int]
    snap_bytes: int
    cut: int
    is_truncated: bool
    dropped: int | None
    first_ns: int
    last_ns: int
    resolution_ns: int


@dataclass(frozen=True)
class Segments:
    """The segments of one or more capture files, ordered by time: shape (segments,), dtype SEGMENT."""

    rows: npt.NDArray[Any]
    files: list[CaptureFile]
