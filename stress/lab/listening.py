# SPDX-License-Identifier: MIT
"""The listening sockets of this network namespace, each with its queue and its drops (inet_diag, linux/sock_diag.h)."""

import socket
import struct
from collections.abc import Iterable
from ipaddress import ip_address
from typing import NamedTuple

from stress.lab import census, inet_diag
from stress.model.text import endpoint_text

SK_MEMINFO_DROPS = 8  # linux/sock_diag.h: index into the u32 of SKMEMINFO
ANYWHERE = {4: "0.0.0.0", 6: "::"}  # noqa: S104  # compared with, not bound to


class ListeningSocket(NamedTuple):
    """One socket in LISTEN.

    Attributes:
        address: where it listens.
        port: of TCP.
        cookie: its own for as long as it lives.
        drops: packets that it has dropped since it was made (sk_drops): SYNs and ACKs that found a queue full.
        waiting: connections in its accept queue.
        limit: its accept queue is full with one connection more than this.
        uid: user of the process that made it.
        inode: of its descriptor.
        is_v6only: whether it serves no IPv4.
    """

    address: str
    port: int
    cookie: int
    drops: int
    waiting: int
    limit: int
    uid: int
    inode: int
    is_v6only: bool

    @property
    def is_bound_to_any(self) -> bool:
        """Whether it is bound to every address."""
        return self.address in ANYWHERE.values()

    def serves(self, target: str, ports: range) -> bool:
        """Return whether it would answer a SYN to one of some ports of an address, if no other is more specific."""
        if self.port not in ports:
            return False
        own, wanted = ip_address(self.address), ip_address(target)
        mapped = getattr(own, "ipv4_mapped", None)
        if own == wanted or (mapped is not None and mapped == wanted):
            return True
        if self.address == ANYWHERE[6]:
            return wanted.version == 6 or not self.is_v6only
        return self.address == ANYWHERE[4] and wanted.version == 4


def list_listening() -> list[ListeningSocket]:
    """Return every listening socket of the namespace.

    Raises:
        LabError: the kernel does not list TCP sockets.
    """
    return [
        parse_message(message, 4 if family == socket.AF_INET else 6)
        for family in (socket.AF_INET, socket.AF_INET6)
        for message in inet_diag.dump_messages(family, census.MASKS["LISTEN"], attribute=inet_diag.SKMEMINFO)
    ]


def parse_message(message: bytes, family: int) -> ListeningSocket:
    """Return the socket of an inet_diag_msg and its attributes."""
    size = 4 if family == 4 else 16
    attributes = inet_diag.parse_attributes(message[inet_diag.MESSAGE_BYTES :])
    meminfo = attributes.get(inet_diag.SKMEMINFO, b"")
    drops = 0
    if len(meminfo) >= 4 * (SK_MEMINFO_DROPS + 1):
        (drops,) = struct.unpack_from("=I", meminfo, 4 * SK_MEMINFO_DROPS)
    cookie, _, waiting, limit, uid, inode = struct.unpack_from("=QIIIII", message, 44)
    return ListeningSocket(
        address=socket.inet_ntop(socket.AF_INET if family == 4 else socket.AF_INET6, message[8 : 8 + size]),
        port=int.from_bytes(message[4:6], "big"),
        cookie=cookie,
        drops=drops,
        waiting=waiting,
        limit=limit,
        uid=uid,
        inode=inode,
        is_v6only=attributes.get(inet_diag.SKV6ONLY, b"\0")[:1] == b"\1",
    )


def list_elsewhere(target: str, ports: range) -> list[str]:
    """Return where somebody listens on one of some ports, as ``127.0.0.1:5000``, but not for the target."""
    return sorted(
        {
            endpoint_text(listening.address, listening.port)
            for listening in list_listening()
            if listening.port in ports and not listening.serves(target, ports)
        }
    )


def drops_since(before: Iterable[ListeningSocket], after: Iterable[ListeningSocket]) -> dict[int, int | None]:
    """Return how many packets each socket dropped, by its cookie; None for one that is gone. A new one began at 0."""
    drops_before = {listening.cookie: listening.drops for listening in before}
    drops: dict[int, int | None] = dict.fromkeys(drops_before)
    for listening in after:
        drops[listening.cookie] = (listening.drops - drops_before.get(listening.cookie, 0)) % (1 << 32)
    return drops
