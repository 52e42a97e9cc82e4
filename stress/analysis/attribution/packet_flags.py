# SPDX-License-Identifier: MIT
"""What a captured packet is, in a word: the flags of a segment as tcpdump writes them, or the ICMP error."""

from stress.lab.capture import Packets
from stress.lab.frame import LAYOUTS, find_layouts
from stress.model.summary import ICMP

AS_TCPDUMP = str.maketrans("AC", ".W")  # scapy's letters for ACK and CWR


def flags_text(packets: Packets, row: int) -> str:
    """Return a segment's flags in tcpdump's notation, ``S.``; of an error type and code, ``ICMP 3/1``."""
    from scapy.layers.inet import TCP  # noqa: PLC0415  # 0.5 s, and only a capture needs it
    from scapy.layers.l2 import Ether  # noqa: PLC0415

    header = packets.headers[row]
    layout = LAYOUTS[find_layouts(header[None])[0]]
    if layout.types is not None:
        return f"{ICMP} {header[layout.types]}/{header[layout.types + 1]}"
    frame = Ether(header.tobytes())
    return str(frame[TCP].flags).translate(AS_TCPDUMP)
