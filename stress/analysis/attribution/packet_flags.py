# SPDX-License-Identifier: MIT
"""The flags of a captured segment, as tcpdump writes them."""

from stress.lab.capture import Packets


def flags_text(packets: Packets, row: int) -> str:
    """Return a segment's flags in tcpdump's notation: ``S.`` for SYN and ACK."""
    from scapy.layers.inet import TCP  # noqa: PLC0415  # 0.5 s, and only a capture needs it
    from scapy.layers.l2 import Ether  # noqa: PLC0415

    frame = Ether(packets.headers[row].tobytes())
    return str(frame[TCP].flags).replace("A", ".")
