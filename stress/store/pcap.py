# SPDX-License-Identifier: MIT
"""evidence.pcap: the captured packets with timestamps in ns, for Wireshark and tcpdump."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from stress.lab.capture import Packets
from stress.model.units import SECOND_NS

ETHERNET = 1  # LINKTYPE_ETHERNET: the loopback device's frames have Ethernet headers


def write(path: Path, captures: list[tuple[Packets, npt.NDArray[np.intp]]]) -> None:
    """Write some rows of each capture to a pcap file, ordered by time."""
    from scapy.utils import RawPcapWriter  # noqa: PLC0415  # 0.5 s, and only a capture needs it

    with RawPcapWriter(str(path), linktype=ETHERNET, nano=True) as writer:
        writer.write_header(None)
        for packets, rows in captures:
            for row in np.unique(rows):  # a packet may belong to two attempts
                second, nanosecond = divmod(int(packets.realtime_ns[row]), SECOND_NS)
                length = int(packets.length[row])
                data = packets.headers[row].tobytes()[:length]
                writer.write_packet(data, sec=second, usec=nanosecond, caplen=len(data), wirelen=length)
