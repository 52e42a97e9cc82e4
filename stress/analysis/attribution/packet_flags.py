# SPDX-License-Identifier: MIT
"""What a captured packet is, in a word: the flags of a segment as tcpdump writes them, or the ICMP error."""

from stress.lab.capture import Packets
from stress.lab.frame import LAYOUTS, find_layouts
from stress.model.summary import ICMP

FLAGS = "FSRP.UEWe"  # tcpdump's letters, from the lowest bit on: FIN, SYN, RST, PSH, ACK, URG, ECE, CWR, AE
FLAGS_AT = 12  # of the TCP header: four bits of its length, three reserved ones, and nine flags (RFC 9293, RFC 9768)


def flags_text(packets: Packets, row: int) -> str:
    """Return a segment's flags in tcpdump's notation, ``S.``; of an error type and code, ``ICMP 3/1``."""
    header = packets.headers[row]
    layout = LAYOUTS[find_layouts(header[None])[0]]
    if layout.types is not None:
        return f"{ICMP} {header[layout.types]}/{header[layout.types + 1]}"
    place = layout.ports + FLAGS_AT
    bits = int.from_bytes(header[place : place + 2].tobytes(), "big")
    return "".join(letter for number, letter in enumerate(FLAGS) if bits >> number & 1)
