# SPDX-License-Identifier: MIT
"""Classic BPF on a listening socket: a firewall that needs no privilege.

Accepted sockets inherit the filter, and it sees the TCP header at offset 0 (tcp_v4_rcv() calls sk_filter() with
the IP header pulled), for IPv4 and IPv6 alike.
"""

import ctypes
import socket
import struct

SO_ATTACH_FILTER = 26  # asm-generic/socket.h; the socket module lacks it
FLAGS_OFFSET, RST_FLAG = 13, 0x04

# struct sock_filter: code, jump if true, jump if false, operand
DROP_RST = (
    (0x30, 0, 0, FLAGS_OFFSET),  # A = byte at FLAGS_OFFSET
    (0x45, 0, 1, RST_FLAG),  # if not A & RST_FLAG, skip the next
    (0x06, 0, 0, 0),  # keep 0 bytes: drop
    (0x06, 0, 0, 0xFFFFFFFF),  # keep all
)


def drop_rst(listener: socket.socket) -> None:
    """Make a listening socket, and every socket it accepts, drop segments that carry RST."""
    program = b"".join(struct.pack("=HBBI", *instruction) for instruction in DROP_RST)
    code = ctypes.create_string_buffer(program)
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(DROP_RST), ctypes.addressof(code)))
