# SPDX-License-Identifier: MIT
"""Classic BPF programs that tell the kinds of a storm's segments apart: each returns a number for every packet.

They run as the choice of a group of packet sockets (PACKET_FANOUT_CBPF, packet(7)): the number is the place of the
socket that gets the packet.
"""

import socket
from collections.abc import Iterator, Sequence

from stress.lab.firewall import ACK, FIN, RST, SYN
from stress.lab.segment_filter import (
    ADD,
    ADD_INDEX,
    AND,
    ANSWER,
    ANY_BIT,
    BARE_ACK,
    DEVICE_INDEX,
    EQUAL,
    EQUAL_INDEX,
    ERROR,
    FROM_THIS_HOST,
    HEADERS,
    JUMP,
    LOAD,
    LOAD_BYTE,
    LOAD_BYTE_AT,
    LOAD_HALF,
    LOAD_HALF_AT,
    LOAD_INDEX,
    MULTIPLY,
    OTHER_TCP,
    RESET,
    REST,
    RETURN,
    RETURN_LOADED,
    SHIFT_LEFT,
    SHIFT_RIGHT,
    STORE,
    STRANGER,
    TO_THIS_HOST,
    Ends,
    Instruction,
    assemble,
    load_field,
    require,
    require_client,
    require_packet,
    require_port,
    require_range,
    require_server,
)

MULTIPLIERS = (40_503, 60_493)  # odd, so that ports that differ spread over all buckets; the golden ratio of 2**16
ERROR_TYPES = {4: (3, 11), 6: (1, 3)}  # destination unreachable, and time exceeded (RFC 792, RFC 4443)
# What the numbers of a program mean; in those that sort SYNs, these follow.
TO_CLIENT = (REST, OTHER_TCP, ANSWER, RESET, BARE_ACK, ERROR)
TO_SERVER = (REST, OTHER_TCP, RESET, BARE_ACK, STRANGER)
SYNS_ALONE = (REST,)
PART_BITS = 4


def load_flags() -> Iterator[Instruction]:
    """Yield instructions that load the flags of a segment."""
    yield load_field(LOAD_BYTE_AT, 13)
    yield AND, "", "", SYN | RST | FIN | ACK


def sort_flags(family: int, *, to_server: bool) -> Iterator[Instruction]:
    """Yield instructions that return the number of a segment of the storm by its flags."""
    yield from load_flags()
    yield ANY_BIT, "reset", "", RST
    yield (EQUAL, "syn", "", SYN) if to_server else (EQUAL, "answer", "", SYN | ACK)
    yield EQUAL, "", "other", ACK
    yield load_field(LOAD_BYTE_AT, 12)  # the length of its header, in words
    yield SHIFT_RIGHT, "", "", 4
    yield SHIFT_LEFT, "", "", 2
    if family == 4:  # the length of an IPv4 packet is that of all of it
        yield ADD_INDEX, "", "", 0
    yield STORE, "", "", 0
    yield load_field(LOAD_HALF, 2 if family == 4 else 4)
    yield LOAD_INDEX, "", "", 0
    yield EQUAL_INDEX, "bare", "other", 0


def return_part(multiplier: int, first: int) -> Iterator[Instruction]:
    """Yield instructions, labelled, that return the number of a SYN: one of several by its source port."""
    yield JUMP, "syn", "syn", 0  # the label's place
    yield load_field(LOAD_HALF_AT, 0)
    yield MULTIPLY, "", "", multiplier
    yield SHIFT_RIGHT, "", "", 16 - PART_BITS
    yield AND, "", "", (1 << PART_BITS) - 1
    yield ADD, "", "", first
    yield RETURN_LOADED, "", "", 0


def sort_strangers(ends: Ends) -> Iterator[Instruction]:
    """Yield instructions, labelled, that return the number of a segment for the server that is not the client's."""
    yield JUMP, "others", "others", 0
    yield from require_port(ends, 2, "other")
    yield from load_flags()
    yield EQUAL, "stranger", "other", SYN


def sort_errors(ends: Ends) -> Iterator[Instruction]:
    """Yield instructions, labelled, that return whether a packet is an ICMP error about a segment of the client.

    The headers that it quotes have no options; else it is not counted, and the sums say so.
    """
    header = HEADERS[ends.family]
    first, second = ERROR_TYPES[ends.family]
    quoted = header.length + 8
    yield JUMP, "icmp", "icmp", 0
    yield from require(LOAD_BYTE, header.protocol, header.icmp, "rest")
    yield load_field(LOAD_BYTE, header.length)
    yield EQUAL, "quote", "", first
    yield EQUAL, "quote", "rest", second
    yield JUMP, "quote", "quote", 0
    yield from require(LOAD_BYTE, quoted + header.protocol, socket.IPPROTO_TCP, "rest")
    yield from require_client(ends, quoted + header.source, "rest")
    yield from require_server(ends, quoted + header.destination, "rest")
    yield load_field(LOAD_HALF, quoted + header.length + 2)
    yield from require_range(*ends.ports, "rest")
    yield JUMP, "error", "error", 0


def sorting_program(
    ends: Ends, packet_type: int, meanings: Sequence[str], *, multiplier: int = MULTIPLIERS[0]
) -> bytes:
    """Return the program that sorts the packets of one direction.

    Args:
        ends: of the storm.
        packet_type: TO_THIS_HOST or FROM_THIS_HOST.
        meanings: of its numbers: TO_CLIENT, TO_SERVER or SYNS_ALONE; what is not in it is REST.
        multiplier: of the source ports of SYNs, which chooses their parts.
    """
    to_server = meanings != TO_CLIENT
    header = HEADERS[ends.family]
    server_at, client_at = (header.destination, header.source) if to_server else (header.source, header.destination)
    program = [*require_packet(ends.family, packet_type)]
    program += require(LOAD_BYTE, header.protocol, socket.IPPROTO_TCP, "rest" if to_server else "icmp")
    program += require_server(ends, server_at, "other")
    program += require_client(ends, client_at, "others" if to_server else "other")
    program += require_port(ends, 2 if to_server else 0, "other")
    program += sort_flags(ends.family, to_server=to_server)
    if to_server:
        program += return_part(multiplier, len(meanings))
    program += sort_strangers(ends) if to_server else sort_errors(ends)
    return assemble(program, meanings)


def tcp_program(family: int) -> bytes:
    """Return the program that accepts each TCP segment of a family that comes to this host, as a filter."""
    program = [*require_packet(family, TO_THIS_HOST)]
    program += require(LOAD_BYTE, HEADERS[family].protocol, socket.IPPROTO_TCP, "rest")
    return assemble([*program, (RETURN, "", "", 1)])


def elsewhere_program(ends: Ends, device: int, *, to_server: bool) -> bytes:
    """Return the program that accepts segments of a storm that leave by another device than the one given."""
    header = HEADERS[ends.family]
    server_at, client_at = (header.destination, header.source) if to_server else (header.source, header.destination)
    program: list[Instruction] = [(LOAD, "", "", DEVICE_INDEX), (EQUAL, "rest", "", device)]
    program += require_packet(ends.family, FROM_THIS_HOST)
    program += require(LOAD_BYTE, header.protocol, socket.IPPROTO_TCP, "rest")
    program += [*require_server(ends, server_at, "rest"), *require_client(ends, client_at, "rest")]
    return assemble([*program, *require_port(ends, 2 if to_server else 0, "rest"), (RETURN, "", "", 1)])
