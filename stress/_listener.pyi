# SPDX-License-Identifier: MIT
from collections.abc import Buffer

ACCEPTED: int
LEAKED: int
CLOSED: int
READY: int
STOP: int
ERRORS: int
SLOTS: int

def serve(listen_fd: int, report: memoryview, *, leak: int = 0, then: str = "close") -> None: ...
