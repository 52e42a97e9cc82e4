# SPDX-License-Identifier: MIT
"""The server under test: a thread that accepts connections and reads them to their end."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator

import pytest


class Server:
    """Listens on a port of the loopback that the kernel chooses."""

    def __init__(self, *, backlog: int) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.address = self.listening.getsockname()
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        """Serve until it is stopped; a client that resets is none of its concern."""
        with selectors.DefaultSelector() as selector:
            self.listening.settimeout(0)
            selector.register(self.listening, selectors.EVENT_READ)
            while not self.stopped.is_set():
                for key, _ in selector.select(0.1):
                    if key.fileobj is self.listening:
                        with contextlib.suppress(BlockingIOError):
                            selector.register(self.listening.accept()[0], selectors.EVENT_READ)
                    else:
                        with contextlib.suppress(ConnectionResetError):
                            if key.fileobj.recv(4096):
                                continue
                        selector.unregister(key.fileobj)
                        key.fileobj.close()

    def stop(self) -> None:
        """Stop and let go of the port."""
        self.stopped.set()
        self.thread.join()
        self.listening.close()


@pytest.fixture(scope="module", params=[16, 128], ids="backlog={}".format)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Start a server with one backlog, then one with another."""
    running = Server(backlog=request.param)
    yield running
    running.stop()
