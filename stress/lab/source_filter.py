# SPDX-License-Identifier: MIT
"""The source filter of a listening socket: a classic BPF program that lets segments of named sources alone reach it.

It runs before TCP answers (tcp_filter() in tcp_v4_rcv() and tcp_v6_rcv()), so that others get neither a SYN-ACK nor an
RST, and every accepted socket inherits it. There the TCP header is at offset 0; addresses are loaded from the network
header, whose version tells IPv4 from IPv6, also on an IPv6 socket that gets IPv4 (SKF_NET_OFF, linux/filter.h).
"""

import socket
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from stress.lab import firewall
from stress.model.errors import UsageError

SO_LOCK_FILTER = 44  # asm-generic/socket.h; not in the socket module
SOURCES_MAX = 64  # the kernel charges a program to net.core.optmem_max, 20,480 bytes before Linux 6.7
NET_OFFSET = 0xFFF00000  # SKF_NET_OFF, -0x100000; the upper half of the first byte there is the version
SOURCE_AT = {4: NET_OFFSET + 12, 6: NET_OFFSET + 8}  # struct iphdr, struct ipv6hdr
WORD = 0xFFFFFFFF
LOAD_WORD, LOAD_BYTE, AND, SHIFT_RIGHT, IF_EQUAL, JUMP, RETURN = 0x20, 0x30, 0x54, 0x74, 0x15, 0x05, 0x06

Source = IPv4Network | IPv6Network
Instruction = tuple[int, int, int, int]


def parse_source(text: str) -> Source:
    """Return an address, or a network such as ``10.0.0.0/24``, as a network; of an IPv4-mapped address that of IPv4.

    Raises:
        UsageError: it is neither.
    """
    try:
        if "/" not in text:
            address = ip_address(text)
            mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
            return ip_network(mapped or address)
        return ip_network(text)
    except ValueError as error:
        why = f" ({error})" if "/" in text else ""
        raise UsageError(
            f"{text!r} is neither an IP address nor a network such as 10.0.0.0/24 or 2001:db8::/64{why}."
        ) from error


def parse_sources(texts: Iterable[str]) -> list[Source]:
    """Return addresses and networks as networks.

    Raises:
        UsageError: one of them is neither, or they are more than a filter has room for.
    """
    sources = [parse_source(text) for text in texts]
    if len(sources) > SOURCES_MAX:
        raise UsageError(f"{len(sources):,} sources are more than {SOURCES_MAX}; give networks such as 10.0.0.0/24.")
    return sources


def source_text(source: Source) -> str:
    """Return a network, or the one address that it is."""
    return str(source.network_address) if source.num_addresses == 1 else str(source)


def is_within(source: Source, others: Iterable[Source]) -> bool:
    """Return whether a network is part of one of others."""
    return any(
        source.version == other.version
        and other.network_address <= source.network_address  # type: ignore[operator]  # of one version
        and source.broadcast_address <= other.broadcast_address  # type: ignore[operator]
        for other in others
    )


def source_program(sources: Iterable[Source], *, drop_rst: bool = False) -> bytes:
    """Return a BPF program that accepts segments of some sources, and with ``drop_rst`` none with RST.

    Without a source it accepts nothing.
    """
    blocks = [compare_source(source) for source in sources]
    tail = sum(map(len, blocks)) + 1  # where the part begins that accepts
    program: list[Instruction] = []
    for block in blocks:
        program += block[:-1]
        program.append((JUMP, 0, 0, tail - len(program) - 1))
    end = firewall.DROP_RST if drop_rst else firewall.bpf_program([(RETURN, 0, 0, WORD)])
    return firewall.bpf_program([*program, (RETURN, 0, 0, 0)]) + end


def compare_source(source: Source) -> list[Instruction]:
    """Return the instructions that jump behind their end unless a segment came from a source; the last is a jump."""
    version = source.version
    checks: list[list[Instruction]] = [
        [(LOAD_BYTE, 0, 0, NET_OFFSET), (SHIFT_RIGHT, 0, 0, 4), (IF_EQUAL, 0, 0, version)]
    ]
    both = zip(words_of(source.network_address), words_of(source.netmask), strict=True)
    for number, (address, mask) in enumerate(both):
        if mask:
            masking = [(AND, 0, 0, mask)] if mask != WORD else []
            checks.append([(LOAD_WORD, 0, 0, SOURCE_AT[version] + 4 * number), *masking, (IF_EQUAL, 0, 0, address)])
    block = [*(instruction for check in checks for instruction in check), (JUMP, 0, 0, 0)]
    return [
        (code, true, len(block) - place - 1 if code == IF_EQUAL else false, operand)
        for place, (code, true, false, operand) in enumerate(block)
    ]


def words_of(address: IPv4Address | IPv6Address) -> tuple[int, ...]:
    """Return the 32-bit words of an address in network order."""
    return struct.unpack(f">{len(address.packed) // 4}I", address.packed)


def choose_program(sources: Iterable[Source] | None, *, drop_rst: bool) -> bytes:
    """Return the one program of a listening socket: a socket has one filter at most. Empty: it needs none.

    Args:
        sources: from which segments are accepted; None: from everywhere.
        drop_rst: drop segments with RST.
    """
    if sources is None:
        return firewall.DROP_RST if drop_rst else b""
    return source_program(sources, drop_rst=drop_rst)


def attach_locked(to: socket.socket, code: bytes) -> None:
    """Attach a filter to a socket, which must not listen yet; nobody can take it off, nor off accepted sockets."""
    firewall.attach_filter(to, code)
    to.setsockopt(socket.SOL_SOCKET, SO_LOCK_FILTER, 1)
