# SPDX-License-Identifier: MIT
"""Events as an array: who dropped which packet when and why, and who sent which reset."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stress.lab.kernel_word.program import FROM_SOCKET, PACKET_BYTES, RESET
from stress.lab.kernel_word.ring import HEADER_BYTES

# Addresses as in lab/census.py: of IPv4, the first four bytes. The source of a reset is who sends it.
EVENT = np.dtype(
    [
        ("time_ns", "i8"),  # CLOCK_MONOTONIC
        ("kind", "u1"),  # program.DROP or program.RESET
        ("family", "u1"),  # 4 or 6
        ("flags", "u1"),  # TCP flags of the packet that was dropped or answered; 0 where a reset answers none
        ("reason", "u4"),
        ("source_port", "u2"),
        ("destination_port", "u2"),
        ("source", "V16"),
        ("destination", "V16"),
        ("namespace", "u4"),  # inode
        ("location", "u8"),  # the address in the kernel's code where the packet was dropped, or 0
    ]
)
RECORD = np.dtype(
    {
        "names": ["time_ns", "location", "reason", "namespace", "kind", "form", "packet"],
        "formats": ["<u8", "<u8", "<u4", "<u4", "u1", "u1", ("u1", PACKET_BYTES)],
        "offsets": [HEADER_BYTES + offset for offset in (0, 8, 16, 20, 24, 25, 32)],
        "itemsize": HEADER_BYTES + 32 + PACKET_BYTES,
    }
)
AF_INET6 = 10
MAPPED = np.frombuffer(bytes(10) + b"\xff\xff", np.uint8)  # the first 12 bytes of ::ffff:a.b.c.d
FLAGS_AT = 13  # in the TCP header
IPV6_HEADER_BYTES = 40


def decode_events(records: bytes) -> npt.NDArray[Any]:
    """Return the events in ``records``, as ``Ring.take`` returns them, shape (events,), dtype EVENT."""
    raw = np.frombuffer(records, RECORD)
    events = np.zeros(len(raw), EVENT)
    for name in ("time_ns", "kind", "reason", "namespace", "location"):
        events[name] = raw[name]
    packets = raw["packet"]
    ends = Ends(len(raw))
    of_socket = raw["form"] == FROM_SOCKET
    ends.read_packets(packets, np.flatnonzero(~of_socket))
    ends.read_sockets(packets, np.flatnonzero(of_socket))
    # A reset that answers a packet goes where that came from.
    turned = (raw["kind"] == RESET) & ~of_socket
    first, second = np.where(turned, 1, 0), np.where(turned, 0, 1)
    rows = np.arange(len(raw))
    events["family"], events["flags"] = ends.family, ends.flags
    for field, side in (("source", first), ("destination", second)):
        events[field] = np.ascontiguousarray(ends.addresses[rows, side]).view("V16")[:, 0]
        events[f"{field}_port"] = ends.ports[rows, side]
    return events


class Ends:
    """The two ends of each event: source and destination of a packet, own and other end of a socket."""

    def __init__(self, events: int) -> None:
        self.addresses = np.zeros((events, 2, 16), np.uint8)
        self.ports = np.zeros((events, 2), np.uint16)
        self.family = np.zeros(events, np.uint8)
        self.flags = np.zeros(events, np.uint8)

    def read_packets(self, packets: npt.NDArray[np.uint8], rows: npt.NDArray[np.intp]) -> None:
        """Take the ends of packets, which begin with the IP header."""
        first = packets[rows, 0]
        self.family[rows] = first >> 4
        is_ipv4 = self.family[rows] == 4
        ipv4, ipv6 = rows[is_ipv4], rows[~is_ipv4]
        self.addresses[ipv4, :, :4] = packets[ipv4, 12:20].reshape(-1, 2, 4)
        self.addresses[ipv6] = packets[ipv6, 8:40].reshape(-1, 2, 16)
        tcp = np.where(is_ipv4, (first & 15).astype(np.intp) * 4, IPV6_HEADER_BYTES)
        ports = packets[rows[:, None], tcp[:, None] + np.arange(4)]
        self.ports[rows] = ports.view(">u2")
        self.flags[rows] = packets[rows, tcp + FLAGS_AT]

    def read_sockets(self, packets: npt.NDArray[np.uint8], rows: npt.NDArray[np.intp]) -> None:
        """Take the ends of sockets, stored as layout.SOCKET_MEMBERS says: the other end comes first there."""
        members = packets[rows]
        self.ports[rows] = np.ascontiguousarray(members[:, 8:12]).view(">u2")[:, ::-1]
        both = members[:, 14:46].reshape(-1, 2, 16)
        is_ipv4 = (members[:, 12] != AF_INET6) | (both[:, :, :12] == MAPPED).all((1, 2))
        self.family[rows] = np.where(is_ipv4, 4, 6)
        of_ipv4 = np.zeros_like(both)
        of_ipv4[:, :, :4] = members[:, :8].reshape(-1, 2, 4)
        self.addresses[rows] = np.where(is_ipv4[:, None, None], of_ipv4, both)[:, ::-1]
