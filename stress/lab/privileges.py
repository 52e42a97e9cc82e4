# SPDX-License-Identifier: MIT
"""What this process may do in its network namespace, found out by doing it. Imports no numpy."""

import os
import socket

from stress.lab import firewall
from stress.lab.kernel_word.word import open_kernel_word
from stress.model.errors import LabError
from stress.model.peer import Privileges

TCP_REPAIR = 19  # linux/tcp.h; changing it needs CAP_NET_ADMIN of the network namespace (tcp_can_repair_sock())


def read_privileges() -> Privileges:
    """Return what this process may do, in the network namespace of the calling thread; nothing stays changed."""
    return Privileges(packets=packets_refusal(), kernel_word=kernel_word_refusal(), changes=changes_refusal())


def packets_refusal() -> str:
    """Return why no packet socket can be opened, or nothing."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    except OSError as error:
        return f"no CAP_NET_RAW ({error.strerror})"
    return ""


def kernel_word_refusal() -> str:
    """Return why the kernel's word cannot be had, or nothing."""
    try:
        open_kernel_word(os.sysconf("SC_PAGE_SIZE")).close()
    except LabError as error:
        return str(error).rstrip(".")
    return ""


def changes_refusal() -> str:
    """Return why the network namespace cannot be changed, or nothing."""
    with socket.socket() as probe:
        try:
            probe.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        except OSError as error:
            return f"no CAP_NET_ADMIN ({error.strerror})"
    return "" if firewall.has_nft() else "no nft (apt-get install nftables)"
