# SPDX-License-Identifier: MIT
"""Classic BPF programs that accept the segments of one kind of a storm, for packet sockets that count them.

A program sees a packet from its network header on (SOCK_DGRAM, packet(7)), so that it fits every kind of device.
"""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from stress.lab.firewall import ACK, FIN, RST, SYN, bpf_program

# linux/filter.h, linux/bpf_common.h
LOAD, LOAD_HALF, LOAD_BYTE, LOAD_HALF_AT, LOAD_BYTE_AT = 0x20, 0x28, 0x30, 0x48, 0x50
LOAD_HEADER_LENGTH, LOAD_INDEX, STORE, COPY_TO_INDEX, SET_INDEX = 0xB1, 0x61, 0x02, 0x07, 0x01
AND, SHIFT_LEFT, SHIFT_RIGHT, ADD_INDEX = 0x54, 0x64, 0x74, 0x0C
JUMP, EQUAL, EQUAL_INDEX, GREATER, AT_LEAST, ANY_BIT, RETURN = 0x05, 0x15, 0x1D, 0x25, 0x35, 0x45, 0x06
PACKET_TYPE, DEVICE_INDEX = 0xFFFFF000 + 4, 0xFFFFF000 + 8  # SKF_AD_OFF + SKF_AD_PKTTYPE, + SKF_AD_IFINDEX

TO_THIS_HOST, FROM_THIS_HOST = 0, 4  # PACKET_HOST, PACKET_OUTGOING
REJECT, ACCEPT = "reject", "accept"
FRAGMENT_OFFSET = 0x1FFF
DESTINATION_UNREACHABLE = {4: (3, 11), 6: (1, 3)}  # by family, and time exceeded (RFC 792, RFC 4443)
WORD_BYTES = 4

Instruction = tuple[int, str, str, int]  # code, label of the jump if true and if false ("": the next), operand


@dataclass(frozen=True)
class Ends:
    """The two ends of a storm.

    Attributes:
        clients: the first and the last address of the client.
        server: the server's address.
        ports: the first and the last port of the server.
    """

    clients: tuple[IPv4Address, IPv4Address] | tuple[IPv6Address, IPv6Address]
    server: IPv4Address | IPv6Address
    ports: tuple[int, int]

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.server.version


def make_ends(source: str, sources: int, target: str, ports: range) -> Ends:
    """Return the ends of a storm from some addresses, counted up from the first, to some ports of a target."""
    first, server = ip_address(source), ip_address(target)
    last = first + (sources - 1)
    return Ends((first, last), server, (ports[0], ports[-1]))  # type: ignore[arg-type]  # both are of one family


@dataclass(frozen=True)
class Header:
    """Where in a network header its fields are, in bytes."""

    version: int  # the first byte, without its lower half
    protocol: int
    source: int
    destination: int
    length: int  # the shortest
    icmp: int


HEADERS = {4: Header(0x40, 9, 12, 16, 20, socket.IPPROTO_ICMP), 6: Header(0x60, 6, 8, 24, 40, socket.IPPROTO_ICMPV6)}


def require(code: int, place: int, value: int, otherwise: str = REJECT) -> Iterator[Instruction]:
    """Yield instructions that load a field and go on only if it has a value."""
    yield code, "", "", place
    yield EQUAL, "", otherwise, value


def require_range(low: int, high: int, otherwise: str = REJECT) -> Iterator[Instruction]:
    """Yield instructions that go on only if what was loaded is in a range."""
    yield AT_LEAST, "", otherwise, low
    yield GREATER, otherwise, "", high


def words_of(address: IPv4Address | IPv6Address) -> list[int]:
    """Return an address in words of 32 bits."""
    packed = address.packed
    return [int.from_bytes(packed[place : place + WORD_BYTES]) for place in range(0, len(packed), WORD_BYTES)]


def require_server(ends: Ends, place: int) -> Iterator[Instruction]:
    """Yield instructions that go on only if the server's address is at a place."""
    for number, word in enumerate(words_of(ends.server)):
        yield from require(LOAD, place + WORD_BYTES * number, word)


def require_client(ends: Ends, place: int, otherwise: str = REJECT) -> Iterator[Instruction]:
    """Yield instructions that go on only if an address of the client is at a place."""
    (*upper, low), (*upper_of_last, high) = (words_of(address) for address in ends.clients)
    for number, word in enumerate(upper):
        yield from require(LOAD, place + WORD_BYTES * number, word, otherwise)
    yield LOAD, "", "", place + WORD_BYTES * len(upper)
    yield from require_range(low, high if upper == upper_of_last else 0xFFFFFFFF, otherwise)


def require_packet(family: int, protocol: int, packet_type: int) -> Iterator[Instruction]:
    """Yield instructions that go on only for packets of a protocol in one direction; a later fragment is none."""
    header = HEADERS[family]
    yield from require(LOAD, PACKET_TYPE, packet_type)
    yield LOAD_BYTE, "", "", 0
    yield AND, "", "", 0xF0
    yield EQUAL, "", REJECT, header.version
    yield from require(LOAD_BYTE, header.protocol, protocol)
    if family == 4:
        yield LOAD_HALF, "", "", 6
        yield ANY_BIT, REJECT, "", FRAGMENT_OFFSET


def load_header_length(family: int) -> Instruction:
    """Return the instruction that sets the index register to the length of the network header."""
    return (LOAD_HEADER_LENGTH, "", "", 0) if family == 4 else (SET_INDEX, "", "", HEADERS[6].length)


def tcp_filter(family: int) -> bytes:
    """Return a program that accepts each TCP segment that comes to this host."""
    return assemble([*require_packet(family, socket.IPPROTO_TCP, TO_THIS_HOST), (JUMP, ACCEPT, ACCEPT, 0)])


def flags_filter(
    ends: Ends,
    packet_type: int,
    flags: int,
    *,
    to_server: bool,
    is_bare: bool = False,
    by_others: bool = False,
    port_bit: int = 0,
) -> bytes:
    """Return a program that accepts the segments of a storm with certain flags of SYN, RST, FIN and ACK.

    Args:
        ends: of the storm.
        packet_type: TO_THIS_HOST or FROM_THIS_HOST.
        flags: SYN, SYN | ACK or ACK; with RST whatever the others are.
        to_server: whether the client sends them.
        is_bare: without data.
        by_others: those whose sender is not the client.
        port_bit: only those whose source port has this bit; 0: all.
    """
    header = HEADERS[ends.family]
    server_at, client_at = header.source, header.destination
    if to_server:
        server_at, client_at = client_at, server_at
    program = [*require_packet(ends.family, socket.IPPROTO_TCP, packet_type), *require_server(ends, server_at)]
    if not by_others:
        program += require_client(ends, client_at)
    program += [load_header_length(ends.family), (LOAD_HALF_AT, "", "", 2 if to_server else 0)]
    program += require_range(*ends.ports)
    program += [(LOAD_BYTE_AT, "", "", 13), (AND, "", "", RST if flags == RST else SYN | RST | FIN | ACK)]
    program += [(EQUAL, "", REJECT, flags)]
    if port_bit:
        program += [(LOAD_HALF_AT, "", "", 0), (ANY_BIT, "", REJECT, port_bit)]
    if is_bare:
        program += require_no_data(ends.family)
    if by_others:
        program += [*require_client(ends, client_at, ACCEPT), (JUMP, REJECT, REJECT, 0)]
    return assemble([*program, (JUMP, ACCEPT, ACCEPT, 0)])


def require_no_data(family: int) -> Iterator[Instruction]:
    """Yield instructions that go on only if a segment ends with its header; the index register has its place."""
    yield LOAD_BYTE_AT, "", "", 12
    yield SHIFT_RIGHT, "", "", 4
    yield SHIFT_LEFT, "", "", 2
    if family == 4:  # its length is that of the whole packet
        yield ADD_INDEX, "", "", 0
    yield STORE, "", "", 0
    yield LOAD_HALF, "", "", 2 if family == 4 else 4
    yield LOAD_INDEX, "", "", 0
    yield EQUAL_INDEX, "", REJECT, 0


def error_filter(ends: Ends, packet_type: int) -> bytes:
    """Return a program that accepts ICMP errors to the client that quote a segment which it sent to the server."""
    header = HEADERS[ends.family]
    program = [*require_packet(ends.family, header.icmp, packet_type), *require_client(ends, header.destination)]
    first, second = DESTINATION_UNREACHABLE[ends.family]
    quoted = header.length + 8  # without options; else it is not counted, and the sums say so
    program += [(LOAD_BYTE, "", "", header.length), (EQUAL, "kind", "", first), (EQUAL, "kind", REJECT, second)]
    rest = [*require(LOAD_BYTE, quoted + header.protocol, socket.IPPROTO_TCP)]
    rest += [*require_client(ends, quoted + header.source), *require_server(ends, quoted + header.destination)]
    rest += [(LOAD_HALF, "", "", quoted + header.length + 2), *require_range(*ends.ports)]
    return assemble([*program, *rest, (JUMP, ACCEPT, ACCEPT, 0)], {"kind": len(program)})


def elsewhere_filter(ends: Ends, device: int, *, to_server: bool) -> bytes:
    """Return a program that accepts segments of a storm that leave this host by another device than the one given."""
    header = HEADERS[ends.family]
    server_at, client_at = header.source, header.destination
    if to_server:
        server_at, client_at = client_at, server_at
    program: list[Instruction] = [(LOAD, "", "", DEVICE_INDEX), (EQUAL, REJECT, "", device)]
    program += require_packet(ends.family, socket.IPPROTO_TCP, FROM_THIS_HOST)
    program += [*require_server(ends, server_at), *require_client(ends, client_at), load_header_length(ends.family)]
    program += [(LOAD_HALF_AT, "", "", 2 if to_server else 0), *require_range(*ends.ports)]
    return assemble([*program, (JUMP, ACCEPT, ACCEPT, 0)])


def assemble(program: Sequence[Instruction], labels: dict[str, int] | None = None) -> bytes:
    """Return a program whose jumps go to labels; its end is made here: REJECT and ACCEPT, which takes one byte."""
    places = {REJECT: len(program), ACCEPT: len(program) + 1, **(labels or {})}
    complete = []
    for place, (code, if_true, if_false, operand) in enumerate(program):
        to_true, to_false = (places[label] - place - 1 if label else 0 for label in (if_true, if_false))
        complete.append((code, 0, 0, to_true) if code == JUMP else (code, to_true, to_false, operand))
    return bpf_program([*complete, (RETURN, 0, 0, 0), (RETURN, 0, 0, 1)])
