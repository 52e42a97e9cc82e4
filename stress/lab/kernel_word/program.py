# SPDX-License-Identifier: MIT
"""The programs that run in the kernel when a packet is dropped, and when TCP sends a reset.

Each finds the network namespace of the event, looks whether it is watched, counts the event by its reason, and writes
a record of fixed size to the ring: the packet from its IP header on, or the socket's 4-tuple where there is no packet.
What every close raises is only counted: written, it costs 2 to 5 % of a storm's rate.
"""

import struct
from dataclasses import dataclass

from stress.lab.kernel_word import assembler as asm
from stress.lab.kernel_word.assembler import R0, R1, R2, R3, R4, R6, R7, R8, R9, Assembler
from stress.lab.kernel_word.layout import Arguments, Layout

DROP, RESET = 1, 2  # kinds of events
FROM_PACKET, FROM_SOCKET = 0, 1  # where the 4-tuple is from
REASONS_MAX = 256
OTHER = REASONS_MAX - 1  # counts all reasons from here on, those of subsystems included
COUNTS_BYTES = 2 * 8 * REASONS_MAX  # of a namespace: drops by reason, resets by reason

# A record: time (ns), where in the kernel's code, reason, namespace, kind, where the 4-tuple is from, then the packet.
RECORD_HEAD = struct.Struct("=QQIIBB6x")
PACKET_BYTES = 80  # from the IP header on: the longest header of IPv4, and TCP up to its flags
RECORD_BYTES = RECORD_HEAD.size + PACKET_BYTES
# The same, as offsets from the end of the stack, where it is put together.
RECORD = -RECORD_BYTES
TIME, LOCATION, REASON, NAMESPACE, KIND, FORM, PACKET = (RECORD + offset for offset in (0, 8, 16, 20, 24, 25, 32))
POINTER, NUMBER = RECORD - 8, RECORD - 16  # room for one pointer, and for one number

ETH_P_IP, ETH_P_IPV6 = 0x0008, 0xDD86  # as little-endian CPUs load what is stored in network order
IPPROTO_TCP = 6
FRAGMENT_OFFSET = 0xFF1F  # the lower 13 bits of the field, loaded in the same way
NO_WAKEUP = 1  # nobody waits for the ring: it is read when a storm is over


@dataclass(frozen=True)
class Maps:
    """Descriptors of the maps that the programs use."""

    namespaces: int  # hash: inode of a watched namespace (4 bytes) to its counts (COUNTS_BYTES)
    ring: int
    lost: int  # array: one number of 8 bytes


def build_program(
    kind: int, layout: Layout, arguments: Arguments, maps: Maps, *, quiet: int | None, emits: bool
) -> bytes:
    """Return the program for one of the tracepoints.

    Args:
        kind: DROP or RESET.
        layout: of this kernel.
        arguments: of the tracepoint.
        maps: the maps that it uses.
        quiet: a reason that is only counted; of resets, only of those that answer no packet, when a program closes.
        emits: whether events are written to the ring at all.
    """
    code = Assembler()
    code.copy(R6, R1)
    code.load(R7, R6, 8 * arguments.packet)
    if arguments.reason is None:
        code.set(R8, 0)
    else:
        code.load(R8, R6, 8 * arguments.reason, 4)
    find_namespace(code, layout, arguments.socket)
    count_event(code, kind, maps)
    if emits:
        if kind == DROP and quiet is not None:
            code.jump("out", asm.IF_EQUAL, R8, quiet)
        if kind == RESET:
            skip_closes(code, layout, arguments, quiet)
        begin_record(code, kind)
        if kind == RESET:
            code.jump("packet", asm.IF_NOT_EQUAL, R7, 0)
            copy_socket(code, layout, arguments)
            code.jump("send")
        code.label("packet")
        copy_packet(code, layout)
        code.label("send")
        send_record(code, arguments, maps)
    code.label("out")
    code.exit()
    return code.assemble()


def find_namespace(code: Assembler, layout: Layout, socket: int | None) -> None:
    """Store the inode of the event's namespace: that of the receiving socket, else of the device, else of the owner.

    TCP clears skb->dev on receipt, so that only the tracepoint's socket says where such a packet was dropped.
    """
    if socket is not None:
        code.load(R3, R6, 8 * socket)
        code.jump("no socket", asm.IF_EQUAL, R3, 0)
        code.read_kernel(POINTER, 8, R3, layout.sk_net)
        code.jump("net")
        code.label("no socket")
    code.jump("out", asm.IF_EQUAL, R7, 0)
    code.read_kernel(POINTER, 8, R7, layout.skb_dev)
    code.load(R3, asm.STACK, POINTER)
    code.jump("no device", asm.IF_EQUAL, R3, 0)
    code.read_kernel(POINTER, 8, R3, layout.dev_net)
    code.jump("net")
    code.label("no device")
    code.read_kernel(POINTER, 8, R7, layout.skb_sk)
    code.load(R3, asm.STACK, POINTER)
    code.jump("out", asm.IF_EQUAL, R3, 0)
    code.read_kernel(POINTER, 8, R3, layout.sk_net)
    code.label("net")
    code.load(R3, asm.STACK, POINTER)
    code.read_kernel(NUMBER, 4, R3, layout.net_inode)


def count_event(code: Assembler, kind: int, maps: Maps) -> None:
    """Count the event in its namespace, which ends up in R9; go out if that is not watched."""
    code.look_up(maps.namespaces, NUMBER)
    code.jump("out", asm.IF_EQUAL, R0, 0)
    code.load(R9, asm.STACK, NUMBER, 4)
    code.copy(R2, R8)
    code.jump("named", asm.IF_BELOW, R2, OTHER)
    code.set(R2, OTHER)
    code.label("named")
    code.emit(asm.SHIFT_LEFT, R2, number=3)
    code.emit(asm.ADD, R0, R2)
    code.add_one(R0, 8 * REASONS_MAX * (kind - DROP))


def begin_record(code: Assembler, kind: int) -> None:
    """Store what is known of every event, and zeros."""
    for offset in range(RECORD, 0, 8):
        code.store_number(offset, 0)
    code.store(REASON, R8, 4)
    code.store(NAMESPACE, R9, 4)
    code.store_number(KIND, kind, 1)


def copy_packet(code: Assembler, layout: Layout) -> None:
    """Store the packet in R7; go out if it is no first fragment of TCP."""
    code.read_kernel(NUMBER, 2, R7, layout.skb_protocol)
    code.load(R9, asm.STACK, NUMBER, 2)
    code.read_kernel(POINTER, 8, R7, layout.skb_head)
    code.read_kernel(NUMBER, 2, R7, layout.skb_network_header)
    code.load(R3, asm.STACK, POINTER)
    code.load(R1, asm.STACK, NUMBER, 2)
    code.emit(asm.ADD, R3, R1)
    code.read_kernel(PACKET, PACKET_BYTES, R3, 0)
    code.load(R1, asm.STACK, PACKET, 1)
    code.emit(asm.SHIFT_RIGHT, R1, number=4)  # the version
    code.jump("IPv4", asm.IF_EQUAL, R9, ETH_P_IP)
    code.jump("out", asm.IF_NOT_EQUAL, R9, ETH_P_IPV6)
    code.jump("out", asm.IF_NOT_EQUAL, R1, 6)
    code.load(R1, asm.STACK, PACKET + 6, 1)
    code.jump("out", asm.IF_NOT_EQUAL, R1, IPPROTO_TCP)
    code.jump("send")
    code.label("IPv4")
    code.jump("out", asm.IF_NOT_EQUAL, R1, 4)
    code.load(R1, asm.STACK, PACKET + 9, 1)
    code.jump("out", asm.IF_NOT_EQUAL, R1, IPPROTO_TCP)
    code.load(R1, asm.STACK, PACKET + 6, 2)
    code.emit(asm.AND, R1, number=FRAGMENT_OFFSET)
    code.jump("out", asm.IF_NOT_EQUAL, R1, 0)


def skip_closes(code: Assembler, layout: Layout, arguments: Arguments, quiet: int | None) -> None:
    """Go out if the reset answers no packet and a program closed the socket so.

    close() and connect(AF_UNSPEC) reset while the socket still belongs to a file; a connection that nobody accepted
    belongs to none (tcp_disconnect() from inet_csk_listen_stop(), Linux 6.18).
    """
    if quiet is None or arguments.socket is None:
        return
    code.jump("matters", asm.IF_NOT_EQUAL, R7, 0)
    code.jump("matters", asm.IF_NOT_EQUAL, R8, quiet)
    code.load(R3, R6, 8 * arguments.socket)
    code.read_kernel(POINTER, 8, R3, layout.sk_socket)
    code.load(R1, asm.STACK, POINTER)
    code.jump("out", asm.IF_NOT_EQUAL, R1, 0)
    code.label("matters")


def copy_socket(code: Assembler, layout: Layout, arguments: Arguments) -> None:
    """Store the 4-tuple of the socket that sends a reset by itself."""
    if arguments.socket is None:
        code.jump("out")
        return
    code.load(R7, R6, 8 * arguments.socket)
    code.store_number(FORM, FROM_SOCKET, 1)
    to = PACKET
    for offset, size in layout.sk_tuple:
        code.read_kernel(to, size, R7, offset)
        to += size


def send_record(code: Assembler, arguments: Arguments, maps: Maps) -> None:
    """Write the record to the ring, or count it as lost."""
    if arguments.location is not None:
        code.load(R1, R6, 8 * arguments.location)
        code.store(LOCATION, R1)
    code.call(asm.KTIME_GET_NS)
    code.store(TIME, R0)
    code.point_to_map(R1, maps.ring)
    code.point_to_stack(R2, RECORD)
    code.set(R3, RECORD_BYTES)
    code.set(R4, NO_WAKEUP)
    code.call(asm.RINGBUF_OUTPUT)
    code.jump("out", asm.IF_EQUAL, R0, 0)
    code.store_number(NUMBER, 0, 4)
    code.look_up(maps.lost, NUMBER)
    code.jump("out", asm.IF_EQUAL, R0, 0)
    code.add_one(R0, 0)
