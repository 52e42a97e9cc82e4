# SPDX-License-Identifier: MIT
"""A server with two faults: it forgets to close every tenth connection, and nobody accepts while it makes a report.

It answers each request with one byte.
"""

import socket
import sys
import time
from contextlib import suppress

PORT = 8080
BACKLOG = 4
REPORT_S = 0.4


def answer(connection: socket.socket) -> None:
    """Answer one request."""
    with suppress(ConnectionError):  # the client has gone
        if connection.recv(16).startswith(b"report"):
            time.sleep(REPORT_S)
        connection.send(b".")


def main() -> None:
    """Serve until the process is ended."""
    forgotten = []
    with socket.create_server(("127.0.0.1", PORT), backlog=BACKLOG) as server:
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        number = 0
        while True:
            connection, _ = server.accept()
            number += 1
            answer(connection)
            if number % 10:
                connection.close()
            else:
                forgotten.append(connection)


main()
