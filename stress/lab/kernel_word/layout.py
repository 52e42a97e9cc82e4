# SPDX-License-Identifier: MIT
"""Where this kernel has what the programs read: members of its structures, and arguments of its tracepoints."""

from typing import NamedTuple

from stress.lab.kernel_word.btf import KernelTypes
from stress.model.errors import LabError


class Layout(NamedTuple):
    """Where the members of the kernel's structures are, in bytes."""

    skb_dev: int
    skb_sk: int
    skb_protocol: int
    skb_network_header: int
    skb_head: int
    dev_net: int
    sk_net: int
    sk_socket: int
    net_inode: int
    sk_tuple: tuple[tuple[int, int], ...]  # (offset, size) of what is read of a socket, in the order of SOCKET_MEMBERS


# A socket's 4-tuple, one after the other in the record: structure, name, size. Its own port is that of inet_sock, since
# skc_num is 0 by then where connect() or the server chose it (inet_put_port() from tcp_set_state(), Linux 6.18).
SOCKET_MEMBERS = (
    ("sock_common", "skc_daddr", 4),
    ("sock_common", "skc_rcv_saddr", 4),
    ("sock_common", "skc_dport", 2),
    ("inet_sock", "inet_sport", 2),
    ("sock_common", "skc_family", 2),
    ("sock_common", "skc_v6_daddr", 16),
    ("sock_common", "skc_v6_rcv_saddr", 16),
)


def find_layout(types: KernelTypes) -> Layout:
    """Return the layout of this kernel.

    Raises:
        LabError: it has no such members.
    """
    return Layout(
        skb_dev=types.offset("sk_buff", "dev"),
        skb_sk=types.offset("sk_buff", "sk"),
        skb_protocol=types.offset("sk_buff", "protocol"),
        skb_network_header=types.offset("sk_buff", "network_header"),
        skb_head=types.offset("sk_buff", "head"),
        dev_net=types.offset("net_device", "nd_net"),
        sk_net=types.offset("sock_common", "skc_net"),
        sk_socket=types.offset("sock", "sk_socket"),
        net_inode=types.offset("net", "ns") + types.offset("ns_common", "inum"),
        sk_tuple=tuple((types.offset(structure, name), size) for structure, name, size in SOCKET_MEMBERS),
    )


class Arguments(NamedTuple):
    """Which argument of a tracepoint is what; None is none."""

    packet: int
    socket: int | None
    reason: int | None
    location: int | None


def find_arguments(types: KernelTypes, tracepoint: str, reason: str) -> Arguments:
    """Return the arguments of a tracepoint, whose reasons are of the enumeration ``reason``.

    Raises:
        LabError: there is no such tracepoint.
    """
    names = types.arguments(tracepoint)
    if "sk_buff" not in names:
        raise LabError(f"This kernel's tracepoint {tracepoint} does not say which packet it is about.")

    def place(name: str) -> int | None:
        return names.index(name) if name in names else None

    return Arguments(names.index("sk_buff"), place("sock"), place(reason), place(""))
