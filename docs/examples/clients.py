# SPDX-License-Identifier: MIT
"""Clients of leaking_server.py: eight ask for little and often, one asks for a report every other second."""

import socket
import threading
import time
from contextlib import suppress

SERVER = ("127.0.0.1", 8080)
OFTEN_S = 0.05
REPORT_S = 1.5


def ask_again_and_again(question: bytes, pause_s: float) -> None:
    """Make a connection per question until the process is ended."""
    while True:
        with suppress(OSError), socket.create_connection(SERVER) as connection:
            connection.sendall(question)
            connection.recv(1)
        time.sleep(pause_s)


for _ in range(8):
    threading.Thread(target=ask_again_and_again, args=(b"get", OFTEN_S)).start()
ask_again_and_again(b"report", REPORT_S)
