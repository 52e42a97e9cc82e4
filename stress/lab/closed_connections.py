# SPDX-License-Identifier: MIT
"""Connections that earlier storms have closed, and that would take ports from the next one, or answer its SYNs.

A client's are in TIME-WAIT for a minute. A server's may be in LAST-ACK or FIN-WAIT-1 for minutes where its firewall
drops the client's RSTs.
"""

import errno
import socket
import struct
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address

from stress.lab.census import NUMBERS
from stress.lab.inet_diag import HEADER, NETLINK_SOCK_DIAG, NLM_F_REQUEST, dump_datagrams

SOCK_DESTROY = 21  # linux/sock_diag.h; CONFIG_INET_DIAG_DESTROY
NLM_F_ACK = 0x4
CLOSED = ("FIN-WAIT-1", "FIN-WAIT-2", "CLOSING", "LAST-ACK", "TIME-WAIT")  # no program waits for anything there
MASK = sum(1 << NUMBERS[state] for state in CLOSED)
ID = slice(4, 52)  # inet_diag_sockid in an inet_diag_msg
ENDS = struct.Struct("!HH16s16s")  # its beginning: local and remote port, local and remote address
REQUEST = struct.Struct("=BBBBI")  # inet_diag_req_v2 before its inet_diag_sockid
ANSWER_BYTES = 4096
REFUSALS = (errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.EINVAL)  # no right to it, or not in this kernel

Address = IPv4Address | IPv6Address


def forget_closed(clients: Collection[str], server: str, server_ports: range) -> int:
    """Let the kernel forget closed connections between addresses and a server's ports.

    It sends an RST for those in FIN-WAIT-1 and FIN-WAIT-2 (tcp_need_reset()), and nothing for others. Returns how many
    it has forgotten: 0 where this process may not do that, or this kernel cannot.

    Args:
        clients: addresses of the clients.
        server: address of the server, on whichever end this host is.
        server_ports: its ports.
    """
    domain = socket.AF_INET if ip_address(server).version == 4 else socket.AF_INET6
    ends = {*map(ip_address, clients)}, ip_address(server)
    identities = [
        data[offset:][ID]
        for data, offsets in dump_datagrams(domain, MASK)
        for offset in offsets
        if is_between(data[offset:][ID], domain, ends, server_ports)
    ]
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as netlink:
        return sum(destroy(netlink, domain, identity) for identity in identities)


def is_between(identity: bytes, domain: int, ends: tuple[set[Address], Address], server_ports: range) -> bool:
    """Return whether a connection, by its inet_diag_sockid, is one between some clients and a server's ports."""
    length = 4 if domain == socket.AF_INET else 16
    local_port, remote_port, local, remote = ENDS.unpack_from(identity)
    own, other = ip_address(local[:length]), ip_address(remote[:length])
    clients, server = ends
    is_client = own in clients and other == server and remote_port in server_ports
    return is_client or (own == server and other in clients and local_port in server_ports)


def destroy(netlink: socket.socket, domain: int, identity: bytes) -> bool:
    """Destroy a socket; return whether that was done, which it is not where it is gone or may not be.

    Raises:
        OSError: the kernel does not understand the request.
    """
    body = REQUEST.pack(domain, socket.IPPROTO_TCP, 0, 0, MASK) + identity
    header = HEADER.pack(HEADER.size + len(body), SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK, 1, 0)
    netlink.sendto(header + body, (0, 0))
    (code,) = struct.unpack_from("=i", netlink.recv(ANSWER_BYTES), HEADER.size)
    if code not in (0, -errno.ENOENT) and -code not in REFUSALS:
        raise OSError(-code, "SOCK_DESTROY")
    return bool(code == 0)
