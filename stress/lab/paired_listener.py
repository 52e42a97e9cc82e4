# SPDX-License-Identifier: MIT
"""A server of several processes on one port, each with a listening socket and a CPU of its own, for one client each.

Which of several sockets on one port gets a SYN, the kernel decides by a hash of the 4-tuple, so that a client would be
served by all of them in turn. A program decides here instead: by the CPU on which the SYN is received, which on the
loopback is the one that the client sent it from. SO_INCOMING_CPU says the same only since Linux 6.2 (commit
b261eda84ec1), and makes the kernel read one socket after the other; the program touches none of them.
"""

import ctypes
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from stress.lab import firewall
from stress.lab.listener import Listener

SO_ATTACH_REUSEPORT_CBPF = 51  # asm-generic/socket.h; not in the socket module
RECEIVING_CPU = 0xFFFFF024  # SKF_AD_OFF + SKF_AD_CPU (linux/filter.h): the CPU that runs the program
LOAD_WORD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06


class PairedListener(Listener):
    """A listening socket for each of several clients, which are told apart by their CPUs."""

    def __init__(
        self,
        address: str,
        port: int,
        pairs: Sequence[tuple[int, int]],
        *,
        keepalive_s: int = 0,
        drop_rst: bool = False,
        inside: Callable[[], AbstractContextManager[None]] = nullcontext,
        uninterrupted: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Listen for ``pairs``: the CPUs of each client, and of the process that serves it.

        The other arguments, and errors, are as of ``Listener``. Clients of one CPU share the first one's process.
        """
        self.pairs = pairs
        super().__init__(
            address,
            port,
            per_port=len(pairs),
            keepalive_s=keepalive_s,
            drop_rst=drop_rst,
            inside=inside,
            uninterrupted=uninterrupted,
        )
        if len(pairs) > 1:
            steer_by_cpu(self.served[0], [client for client, _ in pairs])

    def part_of(self, number: int) -> tuple[Sequence[socket.socket], int | None]:
        """Return the one socket that a process serves, by its number, and the CPU that it is pinned to."""
        return self.served[number : number + 1], self.pairs[number][1]


def steer_by_cpu(member: socket.socket, cpus: Sequence[int]) -> None:
    """Let SYNs that are received on the n-th CPU come to the n-th socket that listens on a port.

    Those of other CPUs come to any of them, by the kernel's hash.

    Args:
        member: one of the sockets, all of which listen already (SO_REUSEPORT).
        cpus: by socket, in the order in which they began to listen.
    """
    program = [(LOAD_WORD, 0, 0, RECEIVING_CPU)]
    for number, cpu in enumerate(cpus):
        program += [(IF_EQUAL, 0, 1, cpu), (RETURN, 0, 0, number)]
    program.append((RETURN, 0, 0, len(cpus)))  # there is no such socket: the kernel chooses by its hash
    code = firewall.bpf_program(program)
    instructions = ctypes.create_string_buffer(code)
    member.setsockopt(
        socket.SOL_SOCKET,
        SO_ATTACH_REUSEPORT_CBPF,
        struct.pack("HP", len(program), ctypes.addressof(instructions)),
    )
