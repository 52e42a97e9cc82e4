# SPDX-License-Identifier: MIT
"""The parts of classic BPF programs that look at the segments of a storm.

A packet that leaves is seen from its link layer's header on, one that comes from its network header on; loads from
SKF_NET_OFF are from the latter on in either case.
"""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from stress.lab.firewall import bpf_program

# linux/filter.h, linux/bpf_common.h
LOAD, LOAD_HALF, LOAD_BYTE, LOAD_HALF_AT, LOAD_BYTE_AT = 0x20, 0x28, 0x30, 0x48, 0x50
LOAD_HEADER_LENGTH, LOAD_INDEX, STORE, SET_INDEX = 0xB1, 0x61, 0x02, 0x01
ADD, MULTIPLY, AND, SHIFT_LEFT, SHIFT_RIGHT, ADD_INDEX = 0x04, 0x24, 0x54, 0x64, 0x74, 0x0C
JUMP, EQUAL, EQUAL_INDEX, GREATER, AT_LEAST, ANY_BIT = 0x05, 0x15, 0x1D, 0x25, 0x35, 0x45
RETURN, RETURN_LOADED = 0x06, 0x16
PACKET_TYPE, DEVICE_INDEX = 0xFFFFF000 + 4, 0xFFFFF000 + 8  # SKF_AD_OFF + SKF_AD_PKTTYPE, + SKF_AD_IFINDEX
NETWORK = 0xFFF00000  # SKF_NET_OFF

TO_THIS_HOST, FROM_THIS_HOST = 0, 4  # PACKET_HOST, PACKET_OUTGOING
FRAGMENT_OFFSET = 0x1FFF
WORD_BYTES = 4

REST, OTHER_TCP, ANSWER, RESET, BARE_ACK, ERROR, STRANGER = (
    "rest",
    "other",
    "answer",
    "reset",
    "bare",
    "error",
    "stranger",
)

Instruction = tuple[int, str, str, int]  # code, label of the jump if true and if false ("": the next), operand


@dataclass(frozen=True)
class Ends:
    """The two ends of a storm.

    Attributes:
        clients: the first and the last address of the client.
        server: the server's address.
        ports: the first and the last port of the server.
    """

    clients: tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address]
    server: IPv4Address | IPv6Address
    ports: tuple[int, int]

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.server.version


def make_ends(source: str, sources: int, target: str, ports: range) -> Ends:
    """Return the ends of a storm from some addresses, counted up from the first, to some ports of a target."""
    first = ip_address(source)
    return Ends((first, first + (sources - 1)), ip_address(target), (ports[0], ports[-1]))


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


def load_field(code: int, place: int) -> Instruction:
    """Return the instruction that loads a field of the network header, or behind it."""
    return code, "", "", NETWORK + place


def require(code: int, place: int, value: int, otherwise: str) -> Iterator[Instruction]:
    """Yield instructions that go on only if a field has a value."""
    yield load_field(code, place)
    yield EQUAL, "", otherwise, value


def require_range(low: int, high: int, otherwise: str) -> Iterator[Instruction]:
    """Yield instructions that go on only if what was loaded is in a range."""
    yield AT_LEAST, "", otherwise, low
    yield GREATER, otherwise, "", high


def words_of(address: IPv4Address | IPv6Address) -> list[int]:
    """Return an address in words of 32 bits."""
    packed = address.packed
    return [int.from_bytes(packed[place : place + WORD_BYTES]) for place in range(0, len(packed), WORD_BYTES)]


def require_server(ends: Ends, place: int, otherwise: str) -> Iterator[Instruction]:
    """Yield instructions that go on only if the server's address is at a place."""
    for number, word in enumerate(words_of(ends.server)):
        yield from require(LOAD, place + WORD_BYTES * number, word, otherwise)


def require_client(ends: Ends, place: int, otherwise: str) -> Iterator[Instruction]:
    """Yield instructions that go on only if an address of the client is at a place."""
    (*upper, low), (*upper_of_last, high) = (words_of(address) for address in ends.clients)
    for number, word in enumerate(upper):
        yield from require(LOAD, place + WORD_BYTES * number, word, otherwise)
    yield load_field(LOAD, place + WORD_BYTES * len(upper))
    yield from require_range(low, high if upper == upper_of_last else 0xFFFFFFFF, otherwise)


def require_packet(family: int, packet_type: int) -> Iterator[Instruction]:
    """Yield instructions that go on only for packets of a family in one direction; a later fragment is none."""
    yield LOAD, "", "", PACKET_TYPE
    yield EQUAL, "", "rest", packet_type
    yield load_field(LOAD_BYTE, 0)
    yield AND, "", "", 0xF0
    yield EQUAL, "", "rest", HEADERS[family].version
    if family == 4:
        yield load_field(LOAD_HALF, 6)
        yield ANY_BIT, "rest", "", FRAGMENT_OFFSET


def require_port(ends: Ends, place: int, otherwise: str) -> Iterator[Instruction]:
    """Yield instructions that go on only if a port of the server is at a place; they set the index to the segment's."""
    length = HEADERS[ends.family].length
    yield load_field(LOAD_HEADER_LENGTH, 0) if ends.family == 4 else (SET_INDEX, "", "", length)
    yield load_field(LOAD_HALF_AT, place)
    yield from require_range(*ends.ports, otherwise)


def assemble(program: Sequence[Instruction], meanings: Sequence[str] = (REST,)) -> bytes:
    """Return a program whose jumps go to labels: numbers that are returned, or the jump that has the label's name."""
    names = (REST, OTHER_TCP, ANSWER, RESET, BARE_ACK, ERROR, STRANGER)
    numbers = {name: meanings.index(name) if name in meanings else 0 for name in names}
    places = {name: len(program) + row for row, name in enumerate(numbers)}
    places |= {
        if_true: place for place, (code, if_true, _, _) in enumerate(program) if code == JUMP and if_true not in numbers
    }
    complete = []
    for place, (code, if_true, if_false, operand) in enumerate(program):
        to_true, to_false = (places[label] - place - 1 if label else 0 for label in (if_true, if_false))
        if code == JUMP:  # a label's own place: go on
            complete.append((code, 0, 0, max(to_true, 0)))
        else:
            complete.append((code, to_true, to_false, operand))
    return bpf_program([*complete, *((RETURN, 0, 0, number) for number in numbers.values())])
