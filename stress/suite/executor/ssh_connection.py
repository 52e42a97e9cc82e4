# SPDX-License-Identifier: MIT
"""A link to a host over ssh: one connection that stays open, and commands there whose output is read as it comes.

Options come from ``~/.ssh/config``, and a host whose key is not known is refused, as by ssh(1) with
``StrictHostKeyChecking yes``.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any, TypeVar

import asyncssh

from stress.model.errors import LabError, UsageError

CONNECT_S = 30.0
# A host that is gone says nothing. One small packet in so many seconds, also during a storm, tells the two apart.
KEEPALIVE_S = 30
KEEPALIVES = 3
EXIT_S = 15.0  # for what was told to end

# What is raised when a connection cannot be made, or is lost.
LOST = (OSError, asyncssh.Error, TimeoutError, asyncio.IncompleteReadError)
REFUSED = (asyncssh.PermissionDenied, asyncssh.HostKeyNotVerifiable)  # of these, those that waiting does not change

Result = TypeVar("Result")


@cache
def event_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of all links, which runs in a thread of its own."""
    made = asyncio.new_event_loop()
    threading.Thread(target=made.run_forever, daemon=True, name="ssh").start()
    return made


def run_in_loop(work: Coroutine[Any, Any, Result], limit_s: float | None = None) -> Result:
    """Do something in the event loop, and wait for it.

    Raises:
        TimeoutError: it took longer than ``limit_s``.
    """
    return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, limit_s), event_loop()).result()


class Remote:
    """A command under way on a host."""

    def __init__(self, process: "asyncssh.SSHClientProcess[bytes]", connection: asyncssh.SSHClientConnection) -> None:
        """Take over what was started."""
        self.process = process
        self.connection = connection

    def line(self) -> bytes:
        """Return the next line of its output, none at the end."""
        return run_in_loop(self.process.stdout.readline())

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes of its output, none at the end."""
        return run_in_loop(self.process.stdout.read(size))

    def no_longer(self) -> None:
        """Say that it is no longer wanted, by the end of its input; wait until it has ended."""

        async def end() -> None:
            self.process.stdin.write_eof()
            await self.process.wait_closed()

        try:
            run_in_loop(end(), EXIT_S)
        except LOST:
            self.connection.abort()  # whose end tells it the same

    def last_words(self) -> str:
        """Say how it ended.

        Raises:
            ConnectionLost: it has not said, because the connection ended first.
        """

        async def end() -> str:
            words = (await self.process.stderr.read()).decode(errors="replace").strip()
            await self.process.wait_closed()
            return words

        words = run_in_loop(end(), EXIT_S)
        if self.process.exit_status is None and self.process.exit_signal is None:
            raise asyncssh.ConnectionLost("the connection ended")
        how = f"code {self.process.exit_status}"
        if self.process.exit_signal is not None:
            how = f"SIG{self.process.exit_signal[0]}"
        return f"{how}: {words}" if words else how


class Link:
    """A host, and the connection to it."""

    def __init__(self, name: str) -> None:
        """Note where it is: ``[user@]name[:port]``; nothing is connected yet.

        Raises:
            UsageError: it is not of that form.
        """
        self.name = name
        self.where = destination(name)
        self.connection: asyncssh.SSHClientConnection | None = None
        self.connecting = asyncio.Lock()

    def start(self, command: str, first: bytes = b"") -> Remote:
        """Start a command, and write to its input, which stays open.

        Raises:
            OSError, asyncssh.Error: the host cannot be reached, or does not let us in.
        """
        return run_in_loop(self.started(command, first))

    async def started(self, command: str, first: bytes) -> Remote:
        """Do the same in the event loop."""
        connection = await self.connected()
        process = await connection.create_process(command, encoding=None)
        process.stdin.write(first)
        return Remote(process, connection)

    def output(self, command: str, limit_s: float) -> bytes:
        """Return what a command prints.

        Raises:
            LabError: the host cannot be reached or does not let us in, or the command fails there.
        """

        async def work() -> bytes:
            connection = await self.connected()
            ended = await connection.run(command, encoding=None, stdin=asyncssh.DEVNULL)
            if ended.exit_status != 0:
                words = as_bytes(ended.stderr).decode(errors="replace").strip()
                raise LabError(
                    f"{self.name} could not run {command!r}: {words or f'code {ended.exit_status}'}. connstorm must be "
                    "installed there; --remote-connstorm says where."
                )
            return as_bytes(ended.stdout)

        try:
            return run_in_loop(work(), limit_s)
        except LOST as error:
            raise LabError(f"{self.name} cannot be reached by ssh: {error_text(error)}.") from error

    async def connected(self) -> asyncssh.SSHClientConnection:
        """Return the connection, made anew if there is none."""
        async with self.connecting:
            if self.connection is None or self.connection.is_closed():
                self.connection = await asyncio.wait_for(
                    asyncssh.connect(**self.where, keepalive_interval=KEEPALIVE_S, keepalive_count_max=KEEPALIVES),
                    CONNECT_S,
                )
            return self.connection

    def back(self, limit_s: float, interval_s: float, given_up: Callable[[], bool]) -> bool:
        """Wait until the host can be reached again; return False if it cannot within ``limit_s``, or nobody waits."""

        async def knock() -> bool:
            while not given_up():
                try:
                    await self.connected()
                except LOST:
                    await asyncio.sleep(interval_s)
                else:
                    return True
            return False

        try:
            return run_in_loop(knock(), limit_s)
        except TimeoutError:
            return False


def destination(text: str) -> dict[str, Any]:
    """Return what ``[user@]name[:port]`` says, as asyncssh wants it; an IPv6 address with a port is in brackets.

    Raises:
        UsageError: it is not of that form.
    """
    user, at, rest = text.rpartition("@")
    name, port = rest, ""
    if rest.startswith("["):
        name, _, port = rest[1:].partition("]")
        port = port.removeprefix(":")
    elif rest.count(":") == 1:
        name, _, port = rest.partition(":")
    if not name or (at and not user) or (rest.endswith(":")) or (port and not port.isdecimal()):
        raise UsageError(f"{text!r} is no host of the form [user@]name[:port]; write it so in --hosts.")
    where: dict[str, Any] = {"host": name}
    if user:
        where["username"] = user
    if port:
        where["port"] = int(port)
    return where


def error_text(error: BaseException) -> str:
    """Return an error in words."""
    return str(error).rstrip(".") or type(error).__name__


def as_bytes(output: bytes | str | None) -> bytes:
    """Return what a command printed; without an encoding it is bytes, which its type does not say."""
    assert isinstance(output, bytes)
    return output
