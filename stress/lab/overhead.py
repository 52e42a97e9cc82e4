# SPDX-License-Identifier: MIT
"""The overhead of recording an attempt on this machine."""

import socket

from stress._reference import calibrate
from stress.model.record import Overhead

LOOPBACK = {4: "127.0.0.1", 6: "::1"}


def measure_overhead(family: int) -> Overhead:
    """Measure it on one connection to a socket of this process, in some ten milliseconds."""
    kind = socket.AF_INET6 if family == 6 else socket.AF_INET
    with (
        socket.create_server((LOOPBACK[family], 0), family=kind) as server,
        socket.create_connection(server.getsockname()[:2]) as client,
    ):
        return Overhead(**calibrate(client.fileno()))
