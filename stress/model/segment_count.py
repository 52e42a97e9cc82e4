# SPDX-License-Identifier: MIT
"""Kinds of segments that are counted at the devices of both hosts of a storm across a link. Imports no numpy.

The count of a kind at its sender is of those that left, at its receiver of those that came.
"""

SYN, CLIENT_RST, CLIENT_ACK = "SYN", "RST of the client", "ACK of the client"
SYN_ACK, SERVER_RST, SERVER_ACK = "SYN-ACK", "RST of the server", "ACK of the server"
ERROR = "ICMP error"  # to the client, about one of its segments; at the server those that it sends itself
# SYNs in parts by their source port, in two ways: of two SYNs, one lost and another one doubled, the parts differ.
SYN_PARTS = tuple(tuple(f"SYN, part {part} of {way} parts" for part in range(16)) for way in ("first", "second"))
TO_SERVER = (SYN, CLIENT_RST, CLIENT_ACK)
TO_CLIENT = (SYN_ACK, SERVER_RST, SERVER_ACK)
SYN_OF_OTHERS = "SYN of others"  # that came to the server's ports from other addresses than the client's
ELSEWHERE = "left by another device"  # segments of the storm, behind a bond or a bridge once more
TCP_CAME, TCP_RECEIVED = "TCP came", "TCP received"  # to the host, of whatever connection; by its TCP (InSegs)
