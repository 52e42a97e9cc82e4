# SPDX-License-Identifier: MIT
"""Exact counts of a storm's segments at the devices of a host: packet sockets that are never read.

The kernel counts what a packet socket gets, even if there is no room to store it (packet_rcv(), PACKET_STATISTICS,
Linux 6.18). One program chooses for each packet which socket of a group gets it, so that a packet costs one program
whatever the number of kinds. What leaves is seen behind firewall and queue, directly before its device; what comes,
before any firewall but that of the ingress hook. Segments with SYN or RST, and those without data, are never joined or
split on their way through a host, so that each is one packet.
"""

import ctypes
import socket
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from stress.lab import segment_sorting as sorting
from stress.lab.capture import ETH_P_ALL, PACKET_STATISTICS, SOL_PACKET
from stress.lab.firewall import attach_filter, bpf_program
from stress.lab.segment_filter import (
    ANSWER,
    BARE_ACK,
    ERROR,
    FROM_THIS_HOST,
    RESET,
    STRANGER,
    TO_THIS_HOST,
    make_ends,
)
from stress.lab.segment_filter import OTHER_TCP as OTHER_SEGMENT
from stress.model import segment_count as kinds
from stress.model.plan import Plan
from stress.model.world import SERVER

ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
PROTOCOLS = {4: ETH_P_IP, 6: ETH_P_IPV6}  # of frames, by family
SNMP = Path("/proc/thread-self/net/snmp")
READINGS_MAX = 20  # until no segment comes between two readings
# linux/if_packet.h
PACKET_FANOUT, PACKET_FANOUT_DATA = 18, 22
PACKET_FANOUT_CBPF, PACKET_FANOUT_FLAG_UNIQUEID = 6, 0x2000

INSTRUCTION_BYTES = 8
REFUSE = bpf_program([(0x06, 0, 0, 0)])  # a filter that accepts nothing

OTHER_TCP = "other TCP"
# What is counted of each meaning of a program's numbers, by who sends it.
OF_CLIENT = {
    OTHER_SEGMENT: OTHER_TCP,
    RESET: kinds.CLIENT_RST,
    BARE_ACK: kinds.CLIENT_ACK,
    STRANGER: kinds.SYN_OF_OTHERS,
}
OF_SERVER = {
    OTHER_SEGMENT: OTHER_TCP,
    ANSWER: kinds.SYN_ACK,
    RESET: kinds.SERVER_RST,
    BARE_ACK: kinds.SERVER_ACK,
    ERROR: kinds.ERROR,
}
CLOSING_THREADS = 32  # each close() waits until no CPU uses the socket any more (synchronize_net())


class SegmentCounter:
    """Counts in the network namespace of the calling thread from construction on. A context manager."""

    def __init__(self, plan: Plan, host: str) -> None:
        """Begin to count the segments of a plan on its client's or its server's host.

        Without CAP_NET_RAW, or without a route to the other end, nothing is counted.
        """
        self.ends = make_ends(plan.source, plan.sources, plan.target, plan.server_ports)
        self.is_server = host == SERVER
        self.sockets: list[tuple[str, socket.socket]] = []
        self.opened: list[socket.socket] = []
        self.counts: dict[str, int] = {}
        ends = (plan.source, plan.target)
        other, own = ends if self.is_server else ends[::-1]
        with ExitStack() as stack:
            try:
                self.open_sockets(stack, find_device(other, own))
            except (PermissionError, LookupError):
                self.sockets.clear()
                return
            self.stack = stack.pop_all()
        self.add_counts()  # what came before there were programs
        self.counts = dict.fromkeys(self.counts, 0)

    def open_sockets(self, stack: ExitStack, device: str) -> None:
        """Open all sockets; what leaves is counted at a device, what comes on all."""
        ends, protocol = self.ends, PROTOCOLS[self.ends.family]
        coming = (TO_THIS_HOST, "", protocol)
        leaving = (FROM_THIS_HOST, device, ETH_P_ALL)
        to_server, to_client = (coming, leaving) if self.is_server else (leaving, coming)
        for meanings, (direction, where, frames), way in (
            (sorting.TO_CLIENT, to_client, None),
            (sorting.TO_SERVER, to_server, 0),
            (sorting.SYNS_ALONE, to_server, 1),
        ):
            names = [self.kind_of(meaning, direction, meanings) for meaning in meanings]
            parts = () if way is None else kinds.SYN_PARTS[way]
            program = sorting.sorting_program(ends, direction, meanings, multiplier=sorting.MULTIPLIERS[way or 0])
            self.open_group(stack, (*names, *parts), program, where, frames)
        (rest,) = (other for other in PROTOCOLS if other != ends.family)
        self.open_one(stack, OTHER_TCP, sorting.tcp_program(rest), PROTOCOLS[rest])
        elsewhere = sorting.elsewhere_program(ends, socket.if_nametoindex(device), to_server=not self.is_server)
        self.open_one(stack, kinds.ELSEWHERE, elsewhere, ETH_P_ALL)

    def kind_of(self, meaning: str, direction: int, meanings: Sequence[str]) -> str:
        """Return the kind that a number of a program counts; ``""``: it is not counted."""
        if meaning == OTHER_SEGMENT and direction == FROM_THIS_HOST:
            return ""
        return (OF_CLIENT if meanings == sorting.TO_SERVER else OF_SERVER).get(meaning, "")

    def open_group(self, stack: ExitStack, names: Sequence[str], code: bytes, device: str, protocol: int) -> None:
        """Open a socket for each number that a program may return.

        Args:
            stack: closes them.
            names: the kinds by number; ``""``: not counted.
            code: the program.
            device: where; ``""``: everywhere.
            protocol: of the frames.
        """
        group = PACKET_FANOUT_CBPF << 16 | PACKET_FANOUT_FLAG_UNIQUEID << 16
        sockets: list[socket.socket] = []
        for name in names:
            counting = self.open_socket(stack, device, protocol)
            if not name:
                attach_filter(counting, REFUSE)
            counting.setsockopt(SOL_PACKET, PACKET_FANOUT, group)
            if not sockets:
                number = counting.getsockopt(SOL_PACKET, PACKET_FANOUT) & 0xFFFF
                group = PACKET_FANOUT_CBPF << 16 | number
            sockets.append(counting)
            if name:
                self.sockets.append((name, counting))
        instructions = ctypes.create_string_buffer(code)
        program = struct.pack("HP", len(code) // INSTRUCTION_BYTES, ctypes.addressof(instructions))
        sockets[0].setsockopt(SOL_PACKET, PACKET_FANOUT_DATA, program)

    def open_one(self, stack: ExitStack, name: str, code: bytes, protocol: int) -> None:
        """Open a socket that counts what a filter accepts, on all devices."""
        counting = self.open_socket(stack, "", protocol)
        attach_filter(counting, code)
        self.sockets.append((name, counting))

    def open_socket(self, stack: ExitStack, device: str, protocol: int) -> socket.socket:
        """Return a packet socket without room to store anything; bind() cannot bind to every device."""
        at_once = 0 if device else socket.htons(protocol)
        counting = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, at_once))
        self.opened.append(counting)
        counting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)  # the kernel makes it the least that it allows
        if device:
            counting.bind((device, protocol))
        return counting

    def read(self) -> dict[str, int]:
        """Return how many segments of each kind have crossed so far; nothing where nothing is counted.

        Call it in the namespace. ``TCP received`` is read when no segment comes between, so that it can be compared
        with ``TCP came``; without such a moment neither is told.
        """
        if not self.sockets:
            return {}
        for _ in range(READINGS_MAX):
            before = read_received()
            self.add_counts()
            if before == read_received():
                return self.sum_kinds() | {kinds.TCP_CAME: self.count_tcp(), kinds.TCP_RECEIVED: before}
        return self.sum_kinds()

    def add_counts(self) -> None:
        """Add what each socket has counted since the last time."""
        for kind, counting in self.sockets:
            packets, _ = struct.unpack("=II", counting.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
            self.counts[kind] = self.counts.get(kind, 0) + packets

    def sum_kinds(self) -> dict[str, int]:
        """Return the counts of the storm's segments."""
        syns = sum(self.counts[part] for part in kinds.SYN_PARTS[0])
        return {kinds.SYN: syns} | {kind: count for kind, count in self.counts.items() if kind != OTHER_TCP}

    def count_tcp(self) -> int:
        """Return how many TCP segments came to this host, whatever their connection."""
        of_storm = kinds.TO_SERVER if self.is_server else kinds.TO_CLIENT
        more = (OTHER_TCP, kinds.SYN_OF_OTHERS) if self.is_server else (OTHER_TCP,)
        counts = self.sum_kinds() | {OTHER_TCP: self.counts[OTHER_TCP]}
        return sum(counts[kind] for kind in (*of_storm, *more))

    def close(self) -> None:
        """Stop counting."""
        if self.sockets:
            with ThreadPoolExecutor(CLOSING_THREADS) as pool:
                list(pool.map(socket.socket.close, self.opened))
            self.stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_received() -> int:
    """Return how many segments TCP has received so far (InSegs), whatever became of them."""
    names, numbers = (line.split() for line in SNMP.read_text().splitlines() if line.startswith("Tcp:"))
    return int(numbers[names.index("InSegs")])


def find_device(address: str, own: str) -> str:
    """Return the name of the device by which packets to an address leave; without a route, that of an own address.

    Raises:
        LookupError: there is neither.
    """
    from pyroute2 import IPRoute  # noqa: PLC0415  # 0.3 s, and its threads must not start before unshare()
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415

    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with IPRoute() as netlink:
        try:
            (route,) = netlink.route("get", dst=address, family=family)
            return socket.if_indextoname(int(route.get_attr("RTA_OIF") or 0))
        except (NetlinkError, OSError) as error:
            for entry in netlink.get_addr(family=family):
                if entry.get_attr("IFA_ADDRESS") == own:
                    return socket.if_indextoname(entry["index"])
            raise LookupError(f"no route to {address}, and no device that has {own}") from error
