# SPDX-License-Identifier: MIT
"""A network with a capture on every host, from before anything else happens there, written as pcap files."""

import struct
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from stress.lab.capture import EVERY_DEVICE, LOOPBACK, Capture
from stress.lab.network import Network
from stress.model.units import SECOND_NS
from stress.model.world import CLIENT, Topology
from stress.store.pcap import ETHERNET, LINUX_SLL2, with_device

ROOM = 8_000  # attempts, of 12 packets each
MAGIC_NS = 0xA1B23C4D  # pcap with timestamps in ns
PORT = 5000


@dataclass(frozen=True)
class CapturedFile:
    """A file of one host, how many packets the capture lost, and from when until when it went on, CLOCK_REALTIME."""

    path: Path
    lost: int
    begun_ns: int
    ended_ns: int


class CapturedNetwork(Network):
    """The hosts of a world, each with a capture for as long as it exists.

    Attributes:
        folder: where the files are written, by act and host; to be set before there is any network.
        made: all networks so far.
        after_s: how long the captures go on after everything else has ended.
        files: at the client and at the server, or the one on the loopback; known after ``close``.
    """

    folder: Path
    made: list["CapturedNetwork"]
    after_s: float

    def __init__(self, world, family):
        super().__init__(world, family)
        self.files = []
        self.captures = {}
        self.is_alone = world.topology is Topology.LOOPBACK
        with ExitStack() as stack:
            stack.callback(super().close)
            for host in dict.fromkeys((CLIENT, self.hosts[-1])):
                with self.inside(host):
                    self.captures[host] = Capture(PORT, ROOM, LOOPBACK if self.is_alone else EVERY_DEVICE)
            stack.pop_all()
        self.begun_ns = time.time_ns()
        self.number = len(self.made)
        self.made.append(self)

    def close(self):
        """End the captures and write them, and forget the hosts."""
        if self.captures:
            time.sleep(self.after_s)
        for host, capture in self.captures.items():
            file = self.folder / f"{self.number}-{host}.pcap"
            with capture:
                packets = capture.packets()
                self.files.append(CapturedFile(file, packets.missed, self.begun_ns, time.time_ns()))
                write(file, packets, with_devices=not self.is_alone)
        self.captures = {}
        super().close()


def write(file, packets, *, with_devices):
    """Write captured packets as tcpdump would, on the loopback or on all devices of a host."""
    link = LINUX_SLL2 if with_devices else ETHERNET
    with file.open("wb") as stream:
        stream.write(struct.pack("<IHHiIII", MAGIC_NS, 2, 4, 0, 0, 1 << 16, link))
        for row, realtime_ns in enumerate(packets.realtime_ns.tolist()):
            length = int(packets.length[row])
            data = packets.headers[row].tobytes()[:length]
            cut = length - len(data)
            if with_devices:
                data = with_device(data, int(packets.device[row]), is_outgoing=bool(packets.outgoing[row]))
            second, nanosecond = divmod(realtime_ns, SECOND_NS)
            stream.write(struct.pack("<IIII", second, nanosecond, len(data), len(data) + cut) + data)
