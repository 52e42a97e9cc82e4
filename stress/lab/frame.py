# SPDX-License-Identifier: MIT
"""The frames that a capture stores: TCP segments of a server's port, and ICMP errors that quote one of them.

Offsets are in bytes from the Ethernet header on; IP headers have no options.
"""

import socket
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.lab.firewall import bpf_program

IPV4, IPV6 = 0x0800, 0x86DD
ETHER_TYPE = 12
LOAD_BYTE, LOAD_HALF, JUMP_IF_EQUAL, RETURN = 0x30, 0x28, 0x15, 0x06  # classic BPF (linux/filter.h)


@dataclass(frozen=True)
class Layout:
    """Where in a frame of one kind its fields are.

    Attributes:
        ether_type: of its network protocol.
        protocol: place and value of the transport protocol in the network header.
        source: place of the address of a segment's sender; of an error, in the segment that it quotes.
        destination: of its receiver.
        ports: place of both ports.
        address_bytes: length of an address.
        types: an error's type and code; None for a segment.
        type_values: which types there are.
        quoted_protocol: place of the transport protocol of the quoted segment.
    """

    ether_type: int
    protocol: tuple[int, int]
    source: int
    destination: int
    ports: int
    address_bytes: int
    types: int | None = None
    type_values: tuple[int, ...] = ()
    quoted_protocol: int = 0

    @property
    def is_error(self) -> bool:
        """Whether it is an ICMP error, which goes to the sender of the segment that it quotes."""
        return self.types is not None


LAYOUTS = (
    Layout(IPV4, (23, socket.IPPROTO_TCP), 26, 30, 34, 4),
    Layout(IPV6, (20, socket.IPPROTO_TCP), 22, 38, 54, 16),
    # Destination unreachable, time exceeded (RFC 792).
    Layout(IPV4, (23, socket.IPPROTO_ICMP), 54, 58, 62, 4, 34, (3, 11), 51),
    # Destination unreachable, packet too big, time exceeded, parameter problem (RFC 4443).
    Layout(IPV6, (20, socket.IPPROTO_ICMPV6), 70, 86, 102, 16, 54, (1, 2, 3, 4), 68),
)


def port_filter(port: int, snap_bytes: int) -> bytes:
    """Return a classic BPF program that passes the headers of a port's segments and of errors about them."""
    program: list[tuple[int, int | str, int | str, int]] = []  # jumps by label
    labels: dict[str, int] = {}
    for number, layout in enumerate(LAYOUTS):
        following = f"after {number}"

        def load_and_compare(code: int, place: int, value: int, otherwise: str = following) -> None:
            program.extend(((code, 0, 0, place), (JUMP_IF_EQUAL, 0, otherwise, value)))

        load_and_compare(LOAD_HALF, ETHER_TYPE, layout.ether_type)
        load_and_compare(LOAD_BYTE, *layout.protocol)
        if layout.types is not None:
            program.append((LOAD_BYTE, 0, 0, layout.types))
            program.extend((JUMP_IF_EQUAL, f"quote {number}", 0, value) for value in layout.type_values[:-1])
            program.append((JUMP_IF_EQUAL, 0, following, layout.type_values[-1]))
            labels[f"quote {number}"] = len(program)
            load_and_compare(LOAD_BYTE, layout.quoted_protocol, socket.IPPROTO_TCP)
        for place in (layout.ports, layout.ports + 2):
            program.extend(((LOAD_HALF, 0, 0, place), (JUMP_IF_EQUAL, "accept", 0, port)))
        labels[following] = len(program)
    program.append((RETURN, 0, 0, 0))
    labels["accept"] = len(program)
    program.append((RETURN, 0, 0, snap_bytes))

    def offset(to: int | str, place: int) -> int:
        return labels[to] - place - 1 if isinstance(to, str) else to

    return bpf_program(
        (code, offset(if_true, place), offset(if_false, place), value)
        for place, (code, if_true, if_false, value) in enumerate(program)
    )


def find_layouts(headers: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """Return the index of each frame's layout in LAYOUTS.

    Args:
        headers: shape (frames, bytes), of frames that ``port_filter`` has passed.

    Returns:
        shape (frames,).
    """
    ether_types = headers[:, ETHER_TYPE : ETHER_TYPE + 2].copy().view(">u2").ravel()
    layouts = np.zeros(len(headers), np.intp)
    for number, layout in enumerate(LAYOUTS):
        place, value = layout.protocol
        layouts[(ether_types == layout.ether_type) & (headers[:, place] == value)] = number
    return layouts


def find_clients(
    headers: npt.NDArray[np.uint8], server_port: int
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.uint16], npt.NDArray[np.bool_]]:
    """Return the client's address and port of each frame's connection, and whether the frame goes away from the client.

    Args:
        headers: as of ``find_layouts``.
        server_port: the server's port.

    Returns:
        three arrays of shape (frames,); the address is V16, of IPv4 followed by zeros.
    """
    layouts = find_layouts(headers)
    ports_at, source_at, destination_at, address_bytes, is_error = (
        np.array([getattr(layout, name) for layout in LAYOUTS])[layouts]
        for name in ("ports", "source", "destination", "address_bytes", "is_error")
    )
    ports = np.take_along_axis(headers, ports_at[:, None] + np.arange(4), axis=1).view(">u2")
    segment_from_client = ports[:, 1] == server_port
    addresses_at = np.where(segment_from_client, source_at, destination_at)
    clients = np.take_along_axis(headers, addresses_at[:, None] + np.arange(16), axis=1)
    clients[np.arange(16) >= address_bytes[:, None]] = 0
    client_ports = np.where(segment_from_client, ports[:, 0], ports[:, 1]).astype(np.uint16)
    return clients.view("V16").ravel(), client_ports, segment_from_client != is_error
