# SPDX-License-Identifier: MIT
"""Connections that leave from ports outside of the ephemeral range, so that no storm meets them on one of its own."""

import asyncio
import socket
from contextlib import suppress
from typing import Any

from stress.lab.reachability import quiet_ports

INTERNET = (socket.AF_INET, socket.AF_INET6)


def bind_quietly(unbound: socket.socket) -> None:
    """Bind a socket to a port that is not ephemeral, if one near the range is free; else connect() chooses one."""
    for port in quiet_ports():
        with suppress(OSError):  # it is taken
            unbound.bind(("", port))
            return


def connect_quietly(host: str, port: int, limit_s: float) -> socket.socket:
    """Connect to a host, as ``socket.create_connection``.

    Raises:
        OSError: none of its addresses can be reached.
    """
    failure: OSError | None = None
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        connecting = socket.socket(family, kind, protocol)
        try:
            connecting.settimeout(limit_s)
            bind_quietly(connecting)
            connecting.connect(address)
        except OSError as error:
            connecting.close()
            failure = error
        else:
            return connecting
    assert failure is not None  # getaddrinfo() returns at least one
    raise failure


class QuietLoop(asyncio.SelectorEventLoop):
    """An event loop whose connections over IP leave from such ports."""

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect a socket; ``create_connection`` does so for each of a host's addresses."""
        if sock.family in INTERNET:
            bind_quietly(sock)
        await super().sock_connect(sock, address)
