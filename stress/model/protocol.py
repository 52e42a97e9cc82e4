# SPDX-License-Identifier: MIT
"""Protocol: what the client's sockets speak."""

from enum import StrEnum


class Protocol(StrEnum):
    """What the client's sockets speak."""

    TCP = "tcp"
    MPTCP = "mptcp"  # Multipath TCP (RFC 8684): the SYN has the option MP_CAPABLE
    TFO = "tfo"  # TCP Fast Open (RFC 7413) by TCP_FASTOPEN_CONNECT: the SYN asks for a cookie
