# SPDX-License-Identifier: MIT
"""Exact counts of a storm's segments at the devices of a host: packet sockets that are never read.

The kernel counts what a packet socket's filter accepts, even if there is no room to store it (packet_rcv(),
PACKET_STATISTICS, Linux 6.18). What leaves is seen behind firewall and queue, directly before its device; what comes,
before any firewall but that of the ingress hook. Segments with SYN or RST, and those without data, are never joined or
split on their way through a host, so that each is one packet.
"""

import os
import socket
import struct
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from stress.lab.capture import ETH_P_ALL, PACKET_STATISTICS, SOL_PACKET
from stress.lab.firewall import ACK, RST, SYN, attach_filter
from stress.lab.segment_filter import (
    FROM_THIS_HOST,
    TO_THIS_HOST,
    elsewhere_filter,
    error_filter,
    flags_filter,
    make_ends,
    tcp_filter,
)
from stress.model import segment_count as kinds
from stress.model.plan import Plan
from stress.model.world import SERVER

ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
PROTOCOLS = {4: ETH_P_IP, 6: ETH_P_IPV6}  # of frames, by family
SNMP = Path("/proc/thread-self/net/snmp")
READINGS_MAX = 20  # until no segment comes between two readings
TO_SERVER = {kinds.SYN: SYN, kinds.CLIENT_RST: RST, kinds.CLIENT_ACK: ACK}
TO_CLIENT = {kinds.SYN_ACK: SYN | ACK, kinds.SERVER_RST: RST, kinds.SERVER_ACK: ACK}


class SegmentCounter:
    """Counts in the network namespace of the calling thread from construction on. A context manager."""

    def __init__(self, plan: Plan, host: str) -> None:
        """Begin to count the segments of a plan on its client's or its server's host.

        Without CAP_NET_RAW, or without a route to the other end, nothing is counted.
        """
        self.ends = make_ends(plan.source, plan.sources, plan.target, plan.server_ports)
        self.is_server = host == SERVER
        self.sockets: dict[str, list[socket.socket]] = {}
        self.counts: dict[str, int] = {}
        other = plan.source if self.is_server else plan.target
        with ExitStack() as stack:
            try:
                self.open_sockets(stack, find_device(other))
            except (PermissionError, LookupError):
                self.sockets.clear()
                return
            self.stack = stack.pop_all()

    def open_sockets(self, stack: ExitStack, device: str) -> None:
        """Open one socket for each kind; what leaves is counted at a device, what comes on all."""
        ends, kind_of_ip = self.ends, PROTOCOLS[self.ends.family]
        for kind, flags, to_server in (
            *((kind, flags, True) for kind, flags in TO_SERVER.items()),
            *((kind, flags, False) for kind, flags in TO_CLIENT.items()),
        ):
            is_bare = flags == ACK
            if to_server is self.is_server:
                code = flags_filter(ends, TO_THIS_HOST, flags, to_server=to_server, is_bare=is_bare)
                self.open(stack, kind, code, "", kind_of_ip)
            else:
                code = flags_filter(ends, FROM_THIS_HOST, flags, to_server=to_server, is_bare=is_bare)
                self.open(stack, kind, code, device, ETH_P_ALL)
        for bit, kind in enumerate(kinds.SYN_BITS):
            packet_type = TO_THIS_HOST if self.is_server else FROM_THIS_HOST
            code = flags_filter(ends, packet_type, SYN, to_server=True, port_bit=1 << bit)
            self.open(stack, kind, code, *(("", kind_of_ip) if self.is_server else (device, ETH_P_ALL)))
        if self.is_server:
            self.open(stack, kinds.ERROR, error_filter(ends, FROM_THIS_HOST), device, ETH_P_ALL)
            strangers = flags_filter(ends, TO_THIS_HOST, SYN, to_server=True, by_others=True)
            self.open(stack, kinds.SYN_OF_OTHERS, strangers, "", kind_of_ip)
        else:
            self.open(stack, kinds.ERROR, error_filter(ends, TO_THIS_HOST), "", kind_of_ip)
        elsewhere = elsewhere_filter(ends, socket.if_nametoindex(device), to_server=not self.is_server)
        self.open(stack, kinds.ELSEWHERE, elsewhere, "", ETH_P_ALL)
        for family, protocol in PROTOCOLS.items():
            self.open(stack, kinds.TCP_CAME, tcp_filter(family), "", protocol)

    def open(self, stack: ExitStack, kind: str, code: bytes, device: str, protocol: int) -> None:
        """Open a socket that counts what a filter accepts on a device; ``""``: on all."""
        # bind() cannot bind to every device. What is counted before there is a filter lies before every snapshot.
        at_once = 0 if device else socket.htons(protocol)
        counting = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, at_once))
        counting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)  # the kernel makes it the least that it allows
        attach_filter(counting, code)
        if device:
            counting.bind((device, protocol))
        self.sockets.setdefault(kind, []).append(counting)

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
                return self.counts | {kinds.TCP_RECEIVED: before}
        return {kind: count for kind, count in self.counts.items() if kind != kinds.TCP_CAME}

    def add_counts(self) -> None:
        """Add what each socket has counted since the last time."""
        for kind, sockets in self.sockets.items():
            for counting in sockets:
                packets, _ = struct.unpack("=II", counting.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
                self.counts[kind] = self.counts.get(kind, 0) + packets

    def close(self) -> None:
        """Stop counting."""
        if self.sockets:
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


def find_device(address: str) -> str:
    """Return the name of the device by which packets to an address leave this network namespace.

    Raises:
        LookupError: there is none.
    """
    from pyroute2 import IPRoute  # noqa: PLC0415  # 0.3 s, and its threads must not start before unshare()
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415

    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with IPRoute() as netlink:
        try:
            (route,) = netlink.route("get", dst=address, family=family)
        except NetlinkError as error:
            raise LookupError(f"no route to {address}: {os.strerror(error.code)}") from error
    return socket.if_indextoname(int(route.get_attr("RTA_OIF") or 0))
