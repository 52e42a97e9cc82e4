# SPDX-License-Identifier: MIT
"""evidence.pcap: the captured packets with timestamps in ns, for Wireshark and tcpdump.

With several hosts each packet is there once for each device that it passed, and says which, and in which direction:
as tcpdump writes what it captures on all devices of a host. The index of a device says whose it is (lab/device.py).
"""

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stress.lab.capture import PACKET_OUTGOING, Packets
from stress.store.capture_file.extract import Record, pcap_parts

ETHERNET = 1  # LINKTYPE_ETHERNET: the loopback device's frames have Ethernet headers
LINUX_SLL2 = 276  # LINKTYPE_LINUX_SLL2: the header that tcpdump writes for all devices of a host
ETHERNET_BYTES = 14
ARPHRD_ETHER = 1


def write(path: Path, captures: list[tuple[Packets, npt.NDArray[np.intp]]]) -> None:
    """Write some rows of each capture to a pcap file, ordered by time."""
    has_hosts = any(len(packets.hosts) > 1 for packets, _ in captures)
    link = LINUX_SLL2 if has_hosts else ETHERNET
    records = []
    for packets, rows in captures:
        for row in np.unique(rows):  # a packet may belong to two attempts
            length = int(packets.length[row])
            data = packets.headers[row].tobytes()[:length]
            if has_hosts:
                data = with_device(data, int(packets.device[row]), is_outgoing=bool(packets.outgoing[row]))
                length += len(data) - min(length, packets.headers.shape[1])
            records.append(Record(int(packets.realtime_ns[row]), link, data, length))
    with path.open("wb") as file:
        file.writelines(pcap_parts(sorted(records, key=lambda record: record.time_ns), link))


def with_device(frame: bytes, device: int, *, is_outgoing: bool) -> bytes:
    """Return an Ethernet frame with the header that names a device and a direction in place of its own."""
    sender, protocol = frame[6:12], frame[12:14]
    kind = PACKET_OUTGOING if is_outgoing else 0
    header = protocol + struct.pack(">HIHBB", 0, device, ARPHRD_ETHER, kind, len(sender)) + sender.ljust(8, b"\0")
    return header + frame[ETHERNET_BYTES:]
