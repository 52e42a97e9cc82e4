# SPDX-License-Identifier: MIT
"""The kernel's list of TCP sockets: dumps of inet_diag by netlink (linux/inet_diag.h, linux/sock_diag.h)."""

import errno
import os
import socket
import struct
import sys
from collections.abc import Iterator

from stress.model.errors import LabError

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
REQUEST = struct.Struct("=BBBBI 2s2s 16s16s I II")  # inet_diag_req_v2
ATTRIBUTE = struct.Struct("=HH")  # nlattr: length with these 4 bytes, type
TYPE_MASK = 0x3FFF  # NLA_TYPE_MASK
MESSAGE_BYTES = 72  # an inet_diag_msg, without its attributes
BUFFER_BYTES = 1 << 18
INFO, SKMEMINFO, SKV6ONLY = 2, 7, 11  # types of attributes, INET_DIAG_…


def dump_datagrams(
    domain: int, mask: int, *, attribute: int = 0, local_port: int = 0, remote_port: int = 0
) -> Iterator[tuple[bytes, list[int]]]:
    """Yield each datagram of a dump of this namespace's TCP sockets, with the offsets of the inet_diag_msg in it.

    Args:
        domain: socket.AF_INET or AF_INET6.
        mask: 1 << number of each state that is wanted.
        attribute: type of one that is wanted and not sent unasked; 0 is none.
        local_port: only sockets with this local port; 0 is any.
        remote_port: only sockets with this remote port; 0 is any.

    Raises:
        LabError: the kernel does not list TCP sockets.
    """
    body = REQUEST.pack(
        domain,
        socket.IPPROTO_TCP,
        1 << (attribute - 1) if attribute else 0,
        0,
        mask,
        local_port.to_bytes(2, "big"),
        remote_port.to_bytes(2, "big"),
        b"",
        b"",
        0,
        0xFFFFFFFF,
        0xFFFFFFFF,
    )
    try:
        yield from send_dump_request(NETLINK_SOCK_DIAG, pack_dump_request(SOCK_DIAG_BY_FAMILY, body), MESSAGE_BYTES)
    except OSError as error:
        raise LabError(
            f"This kernel does not list TCP sockets (inet_diag: {errno.errorcode.get(error.errno or 0, error)}); "
            "it may need the module tcp_diag (modprobe tcp_diag)."
        ) from error


def pack_dump_request(kind: int, body: bytes) -> bytes:
    """Return a netlink message that asks for a list."""
    return HEADER.pack(HEADER.size + len(body), kind, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + body


def send_dump_request(protocol: int, request: bytes, shortest: int) -> Iterator[tuple[bytes, list[int]]]:
    """Send a request of netlink, and yield each datagram of the answer with the offsets of the messages in it.

    Args:
        protocol: of netlink.
        request: from ``pack_dump_request``.
        shortest: bytes that a message has at least.

    Raises:
        OSError: the kernel rejects the request.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as netlink:
        netlink.sendto(request, (0, 0))
        done = False
        while not done:
            data = netlink.recv(BUFFER_BYTES)
            offsets, done = message_offsets(data, shortest)
            yield data, offsets


def dump_messages(domain: int, mask: int, *, attribute: int, local_port: int = 0) -> Iterator[bytes]:
    """Yield the inet_diag_msg of each socket with its attributes; the arguments are those of ``dump_datagrams``."""
    for data, offsets in dump_datagrams(domain, mask, attribute=attribute, local_port=local_port):
        for offset in offsets:
            yield cut_message(data, offset)


def cut_message(data: bytes, offset: int) -> bytes:
    """Return the message at an offset of a datagram, without its netlink header."""
    (length,) = struct.unpack_from("=I", data, offset - HEADER.size)
    return data[offset : offset - HEADER.size + length]


def message_offsets(data: bytes, shortest: int = MESSAGE_BYTES) -> tuple[list[int], bool]:
    """Return the offsets of the messages in a datagram, and whether it is the last datagram.

    A message that is cut short, and what follows it, is left out.

    Raises:
        OSError: the kernel rejects the request. Where no module lists TCP sockets, it says so at the end of an empty
            dump (ENOENT in NLMSG_DONE; inet_diag_dump_compat(), netlink_dump(), Linux 6.18).
    """
    offsets: list[int] = []
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, _, _, _ = HEADER.unpack_from(data, offset)
        body = offset + HEADER.size
        if length < HEADER.size or offset + length > len(data):
            break
        if kind in (NLMSG_ERROR, NLMSG_DONE):
            code = int.from_bytes(data[body : min(body + 4, offset + length)], sys.byteorder, signed=True)
            if code < 0 or kind == NLMSG_ERROR:
                raise OSError(-code, os.strerror(-code))
            return offsets, True
        if length >= HEADER.size + shortest:
            offsets.append(body)
        offset += (length + 3) & ~3
    return offsets, False


def parse_attributes(data: bytes) -> dict[int, bytes]:
    """Return the netlink attributes in a message by type, the first of each.

    One that is cut short, and what follows it, is left out.
    """
    attributes: dict[int, bytes] = {}
    offset = 0
    while offset + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, offset)
        if length < ATTRIBUTE.size or offset + length > len(data):
            break
        attributes.setdefault(kind & TYPE_MASK, data[offset + ATTRIBUTE.size : offset + length])
        offset += (length + 3) & ~3
    return attributes
