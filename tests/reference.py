# SPDX-License-Identifier: MIT
"""The client engine's twin in plain Python: slow, short, and plainly right."""

import errno
import select
import socket
import struct


def python_storm(*, attempts, ports, port_list, close):
    """Make blocking-free connects one after the other; return (errno, local port or 0) of each."""
    return [attempt(index, ports, port_list, close) for index in range(attempts)]


def attempt(index, ports, port_list, close):
    with socket.socket() as client:
        client.setblocking(False)
        try:
            if ports == "bind":
                client.bind(("127.0.0.1", 0))
            elif ports == "list":
                client.bind(("127.0.0.1", int(port_list[index % len(port_list)])))
        except OSError as error:
            return error.errno, 0
        error = client.connect_ex(("127.0.0.1", 5000))
        if error == errno.EINPROGRESS:
            select.select([], [client], [])
            error = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            return error, 0
        port = client.getsockname()[1]
        if close == "rst":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return 0, port
