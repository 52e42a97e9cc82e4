# SPDX-License-Identifier: MIT
"""Changes of this host's network for one storm, made and undone by a second process.

The second process outlives a kill of this one: its standard input ends then, and it undoes all that it changed. When it
is killed itself, the kernel removes its rules, and this process restores the sysctls, whose old values are in the
journal before the first is changed, and removes the routes. So one kill leaves nothing behind.
"""

import socket
import subprocess
import sys
from types import TracebackType
from typing import NoReturn, Self

import msgspec

from stress.lab import host_sysctls, sysctl_journal
from stress.lab.host_sysctls import RestoreOutcome
from stress.lab.own_route import OwnRoute, remove_route
from stress.model.errors import ConnstormError, LabError, NotApplicableError, UsageError
from stress.model.json_text import decode_json

LIMIT_S = 30.0  # for one change: nft and the kernel need milliseconds
MESSAGE_MAX = 65536
ERRORS: dict[str, type[ConnstormError]] = {kind.__name__: kind for kind in (LabError, NotApplicableError, UsageError)}


class HostChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something to change in a network namespace.

    Attributes:
        sysctls: values by dotted names.
        routes: to be added, where there are none to the same address.
        forgotten: addresses of neighbours whose hardware address the host shall ask for again; this is not undone.
        rules: tables for nft, each with the flag ``owner``.
    """

    sysctls: dict[str, str] = {}
    routes: list[OwnRoute] = []
    forgotten: list[str] = []
    rules: str = ""


class ChangeAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer of the second process to a change, or to the end of its input.

    Attributes:
        number: of the change, from 1 on; 0: its input has ended, and everything is undone.
        error: the name of the error's class; empty: there was none.
        text: of the error.
    """

    number: int
    error: str = ""
    text: str = ""


class HostChanges:
    """The second process. A context manager, which undoes everything on exit."""

    def __init__(self) -> None:
        """Start it in the network namespace of the calling thread; it changes nothing by itself."""
        self.routes: list[OwnRoute] = []
        self.number = 0  # of the last change
        self.is_ended = False
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(LIMIT_S)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stress.lab.host_changes_process"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C at the terminal is not for it
            )

    def apply(self, change: HostChange) -> None:
        """Change something; when it fails, what was changed before remains until ``undo``.

        Raises:
            UsageError, NotApplicableError: a sysctl or its value does not exist here.
            LabError: it may not be changed here, is changed already, or the second process was killed.
        """
        self.routes += change.routes
        self.number += 1
        try:
            self.socket.send(msgspec.json.encode(change))
        except OSError:
            self.mend()
        self.hear_answer(self.number)

    def hear_answer(self, number: int) -> None:
        """Wait for the answer to a change; raise what went wrong."""
        result = ChangeAnswer(-1)
        while result.number != number:  # there may be one that an interrupt kept from being heard
            try:
                answer = self.socket.recv(MESSAGE_MAX)
            except TimeoutError:
                answer = b""
                self.process.kill()
            except OSError:
                answer = b""
            if not answer:
                self.mend()
            result = decode_json(answer, ChangeAnswer)
        if result.error:
            raise ERRORS.get(result.error, LabError)(result.text)

    def check(self) -> None:
        """Raise LabError if the second process was killed, after undoing what it had changed."""
        if not self.is_ended and self.process.poll() is not None:
            self.mend()

    def mend(self) -> NoReturn:
        """Undo what the second process, which was killed, had changed, and raise LabError."""
        self.is_ended = True
        self.process.wait()
        self.socket.close()
        failures = [sentence for route in self.routes if (sentence := undo_route(route))]
        sysctl_journal.remove_unfinished()
        journal = sysctl_journal.read_journal()
        if journal is not None and journal.pid == self.process.pid:
            report = host_sysctls.restore_leftover()
            wrong = (RestoreOutcome.LEFT, RestoreOutcome.FAILED)
            failures += [result.text for result in report.settings if result.outcome in wrong]
        raise LabError(
            "The process that changes this host for the storm was killed, so the storm did not meet what it should; "
            f"{' '.join(failures) or 'everything is as before.'}"
        )

    def undo(self) -> None:
        """Undo everything, and wait until that is done.

        Raises:
            LabError: somebody else changed a sysctl meanwhile, or something could not be undone, or the second process
                was killed before.
        """
        if self.is_ended:
            return
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.mend()
        try:
            self.hear_answer(0)
        finally:
            self.is_ended = True
            self.socket.close()
            self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.undo()
        except LabError as error:
            if value is None:
                raise
            value.add_note(str(error))


def undo_route(route: OwnRoute) -> str:
    """Remove a route if it is there; return why it cannot be removed, or an empty text."""
    try:
        remove_route(route)
    except LabError as error:
        return str(error)
    return ""
