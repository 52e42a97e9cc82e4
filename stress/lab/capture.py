# SPDX-License-Identifier: MIT
"""Packet capture into a ring buffer that the kernel fills: no process runs for it during a storm.

AF_PACKET with PACKET_RX_RING, TPACKET_V2 (Documentation/networking/packet_mmap.rst). The ring is large enough for the
storm and is read only afterwards; packets that do not fit are counted. Only headers are stored.
"""

import mmap
import socket
import struct
import time
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from stress._fastconnect import now_ns
from stress.lab.firewall import attach_filter
from stress.lab.frame import find_clients, port_filter
from stress.model.errors import LabError
from stress.model.units import SECOND_NS
from stress.model.world import CLIENT

# linux/if_packet.h; not in the socket module
SOL_PACKET = 263
PACKET_RX_RING, PACKET_STATISTICS, PACKET_VERSION, PACKET_IGNORE_OUTGOING = 5, 6, 10, 23
TPACKET_V2 = 1
TP_STATUS_USER = 1
ETH_P_ALL = 3

PACKET_OUTGOING = 4
LOOPBACK, EVERY_DEVICE = "lo", ""

FRAME_BYTES = 256  # in the ring: tpacket2_hdr, sockaddr_ll, then the packet
BLOCK_BYTES = 1 << 16
SNAP_BYTES = 14 + 40 + 60  # Ethernet, IPv6, TCP with all its options
PACKETS_PER_ATTEMPT = 12  # a collision has ten, with its close
FRAMES_MAX = 1 << 20  # 256 MiB
WHOLE = Fraction(1)
CLOCK_SAMPLES = 15  # readings of both clocks, to find their offset

HEADER = np.dtype(
    {
        "names": ["status", "length", "captured", "mac", "net", "second", "nanosecond", "device", "type"],
        "formats": ["<u4", "<u4", "<u4", "<u2", "<u2", "<u4", "<u4", "<i4", "u1"],
        "offsets": [0, 4, 8, 12, 14, 16, 20, 36, 42],  # the last two in sockaddr_ll
        "itemsize": FRAME_BYTES,
    }
)


@dataclass(frozen=True)
class Packets:
    """The captured packets, in the order of their arrival.

    Attributes:
        time_ns: shape (packets,), int64, CLOCK_MONOTONIC.
        realtime_ns: shape (packets,), int64, CLOCK_REALTIME, the kernel's timestamp.
        client: shape (packets,), V16, the client's address, of IPv4 followed by zeros; of an ICMP error, that of the
            segment that it quotes.
        client_port: shape (packets,), uint16.
        from_client: shape (packets,), bool: it goes from the client's side to the server's.
        length: shape (packets,), uint32, bytes on the wire.
        headers: shape (packets, SNAP_BYTES), uint8: the first bytes of each packet, from its Ethernet header on.
        missed: number of packets that did not fit into the ring.
        device: shape (packets,), int32, index of the device that the packet came from or went to.
        outgoing: shape (packets,), bool: it left by this device. On a loopback alone each packet is there once.
        host: shape (packets,), uint8, index into ``hosts``.
        hosts: the names of the hosts, the client first.
    """

    time_ns: npt.NDArray[np.int64]
    realtime_ns: npt.NDArray[np.int64]
    client: npt.NDArray[np.void]
    client_port: npt.NDArray[np.uint16]
    from_client: npt.NDArray[np.bool_]
    length: npt.NDArray[np.uint32]
    headers: npt.NDArray[np.uint8]
    missed: int
    device: npt.NDArray[np.int32]
    outgoing: npt.NDArray[np.bool_]
    host: npt.NDArray[np.uint8]
    hosts: tuple[str, ...] = (CLIENT,)


def realtime_offset_ns() -> int:
    """Return how far the wall clock, which has the timestamps of packets, is ahead of the monotonic clock (ns).

    The offset changes only when the clock is set. Each sample reads the wall clock between two readings of the
    monotonic clock; the shortest sample counts, because no interrupt was in it.
    """
    samples = [(now_ns(), time.time_ns(), now_ns()) for _ in range(CLOCK_SAMPLES)]
    before_ns, realtime_ns, after_ns = min(samples, key=lambda sample: sample[2] - sample[0])
    return realtime_ns - (before_ns + after_ns) // 2


class Capture:
    """A capture in the network namespace of the calling thread, from construction on. A context manager."""

    def __init__(self, server_port: int, attempts: int, device: str = LOOPBACK, share: Fraction = WHOLE) -> None:
        """Begin to capture a server's segments and ICMP errors about them, with room for some number of attempts.

        Args:
            server_port: the server's port.
            attempts: how many there will be.
            device: its name; with EVERY_DEVICE packets are seen that arrive and that leave, with LOOPBACK once.
            share: of the most memory that all rings of an act may have.

        Raises:
            LabError: capturing is not permitted here.
        """
        self.server_port = server_port
        frames = min(attempts * PACKETS_PER_ATTEMPT + 1024, int(FRAMES_MAX * share))
        blocks = -(-frames * FRAME_BYTES // BLOCK_BYTES)
        self.frames = blocks * BLOCK_BYTES // FRAME_BYTES
        try:
            # Without a protocol it gets no packets before bind(), which cannot bind to every device.
            protocol = 0 if device else socket.htons(ETH_P_ALL)
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, protocol)
            attach_filter(self.socket, port_filter(server_port, SNAP_BYTES))  # before there is a ring
            self.socket.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V2)
            self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, device == LOOPBACK)  # it shows each twice
            ring = struct.pack("=IIII", BLOCK_BYTES, blocks, FRAME_BYTES, self.frames)
            self.socket.setsockopt(SOL_PACKET, PACKET_RX_RING, ring)
            self.ring = mmap.mmap(self.socket.fileno(), self.frames * FRAME_BYTES)
            if device:
                self.socket.bind((device, ETH_P_ALL))
        except OSError as error:
            raise LabError(f"Packets cannot be captured here: {error.strerror}; leave out --capture.") from error
        self.realtime_offset_ns = realtime_offset_ns()

    def packets(self) -> Packets:
        """Return the packets captured so far."""
        frames = np.frombuffer(self.ring, HEADER)
        used = int((frames["status"] & TP_STATUS_USER).astype(bool).sum())  # the kernel fills the ring from its start
        frames = frames[:used]
        raw = np.frombuffer(self.ring, np.uint8).reshape(self.frames, FRAME_BYTES)[:used]
        mac = int(frames["mac"][0]) if used else 0  # equal for all packets
        headers = raw[:, mac : mac + SNAP_BYTES].copy()
        clients, client_ports, from_client = find_clients(headers, self.server_port)
        realtime_ns = frames["second"].astype(np.int64) * SECOND_NS + frames["nanosecond"]
        return Packets(
            time_ns=realtime_ns - self.realtime_offset_ns,
            realtime_ns=realtime_ns,
            client=clients,
            client_port=client_ports,
            from_client=from_client,
            length=frames["length"].copy(),
            headers=headers,
            missed=self.missed(),
            device=frames["device"].copy(),
            outgoing=frames["type"] == PACKET_OUTGOING,
            host=np.zeros(used, np.uint8),
        )

    def missed(self) -> int:
        """Return how many packets did not fit into the ring since the last call."""
        statistics: Any = struct.unpack("=II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        return int(statistics[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ring.close()
        self.socket.close()
