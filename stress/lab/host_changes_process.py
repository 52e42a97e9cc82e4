# SPDX-License-Identifier: MIT
"""The program of the process that changes a host for a storm; see ``host_changes``. It imports no numpy."""

import contextlib
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import msgspec

from stress.lab.host_changes import MESSAGE_MAX, ChangeAnswer, HostChange
from stress.lab.host_sysctls import change_sysctls
from stress.lab.own_route import add_route, forget_neighbour, remove_route
from stress.lab.owned_tables import OwnedTables
from stress.lab.signals import SIGNALS, ignore
from stress.model.errors import ConnstormError
from stress.model.json_text import decode_json


class Changed:
    """What this process has changed, and undoes on ``undo``, the last first."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.tables: OwnedTables | None = None

    def apply(self, change: HostChange) -> None:
        """Change something; errors are as of ``HostChanges.apply``."""
        if change.sysctls:
            self.stack.enter_context(change_sysctls(change.sysctls))
        for route in change.routes:
            add_route(route)
            self.stack.callback(remove_route, route)
        if change.rules:
            if self.tables is None:
                self.tables = OwnedTables()
                self.stack.callback(self.tables.close)
            self.tables.load(change.rules)
        for address in change.forgotten:
            forget_neighbour(address)

    def undo(self) -> None:
        """Undo everything; LabError if something could not be undone."""
        self.stack.close()


def main() -> None:
    """Carry out the changes that come on standard input, and undo all of them when it ends.

    The owner alone says when; signals that end programs are for it.
    """
    ignore(SIGNALS)
    with socket.socket(fileno=sys.stdin.fileno()) as owner:
        changed = Changed()
        count = 0
        while text := receive(owner):
            count += 1
            send_answer(owner, attempt(count, partial(changed.apply, decode_json(text, HostChange))))
        send_answer(owner, attempt(0, changed.undo))


def receive(owner: socket.socket) -> bytes:
    """Return the next message of the owner; empty when it has ended."""
    try:
        return owner.recv(MESSAGE_MAX)
    except ConnectionError:
        return b""


def attempt(number: int, act: Callable[[], None]) -> ChangeAnswer:
    """Do something, and return how it went."""
    try:
        act()
    except ConnstormError as error:
        return ChangeAnswer(number, type(error).__name__, str(error))
    return ChangeAnswer(number)


def send_answer(owner: socket.socket, answer: ChangeAnswer) -> None:
    """Send an answer to the owner, if it still lives."""
    with contextlib.suppress(OSError):
        owner.send(msgspec.json.encode(answer))


if __name__ == "__main__":
    main()
