# SPDX-License-Identifier: MIT
"""A link to a host over ssh: one connection that stays open, and commands whose output is read as it arrives.

``Link`` is for programs with threads, ``open_connection`` for those that are asynchronous themselves.

Options are those of ``~/.ssh/config``, and a host whose key is not known is refused, as by ssh(1) with
``StrictHostKeyChecking yes``.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any, TypeVar

import asyncssh

from stress.lab.quiet_port import QuietLoop
from stress.model.errors import LabError
from stress.run.ssh_destination import destination

CONNECT_S = 30.0
# A host that was lost closes no connection. One small packet per interval, also during a storm, detects it.
KEEPALIVE_S = 30
KEEPALIVES = 3
EXIT_S = 15.0  # for a command that was cancelled

# The exceptions when a connection cannot be made, or is lost.
LOST = (OSError, asyncssh.Error, TimeoutError, asyncio.IncompleteReadError)
REFUSED = (asyncssh.PermissionDenied, asyncssh.HostKeyNotVerifiable)  # those of them where waiting does not help

Result = TypeVar("Result")


@cache
def event_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of all links, which runs in a thread of its own."""
    loop = QuietLoop()
    loop.set_exception_handler(leave_to_reader)
    threading.Thread(target=loop.run_forever, daemon=True, name="ssh").start()
    return loop


def leave_to_reader(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Report what went wrong, but for input of a command that has ended: asyncssh raises BrokenPipeError for that."""
    if not isinstance(context.get("exception"), BrokenPipeError):
        loop.default_exception_handler(context)


def run_in_loop(work: Coroutine[Any, Any, Result], limit_s: float | None = None) -> Result:
    """Run a coroutine in the event loop, and return its result.

    Raises:
        TimeoutError: it took longer than ``limit_s``.
    """
    return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, limit_s), event_loop()).result()


class Remote:
    """A command that runs on a host."""

    def __init__(self, process: "asyncssh.SSHClientProcess[bytes]", connection: asyncssh.SSHClientConnection) -> None:
        """Wrap a process of a connection."""
        self.process = process
        self.connection = connection

    def line(self) -> bytes:
        """Return the next line of its output, an empty one at the end."""
        return run_in_loop(self.process.stdout.readline())

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes of its output, none at the end."""
        return run_in_loop(self.process.stdout.read(size))

    def cancel(self) -> None:
        """Cancel it, by closing its input; wait until it has ended."""

        async def end() -> None:
            self.process.stdin.write_eof()
            await self.process.wait_closed()

        try:
            run_in_loop(end(), EXIT_S)
        except LOST:
            self.connection.abort()  # which closes its input too

    def exit_text(self, limit_s: float = EXIT_S) -> str:
        """Wait until it ends; return its exit code or signal, and its standard error.

        Raises:
            TimeoutError: it did not end in time.
            ConnectionLost: the connection was lost before.
        """

        async def end() -> str:
            words = (await self.process.stderr.read()).decode(errors="replace").strip()
            await self.process.wait_closed()
            return words

        words = run_in_loop(end(), limit_s)
        if self.process.exit_status is None and self.process.exit_signal is None:
            raise asyncssh.ConnectionLost("the connection ended")
        how = f"code {self.process.exit_status}"
        if self.process.exit_signal is not None:
            how = f"SIG{self.process.exit_signal[0]}"
        return f"{how}: {words}" if words else how


class Link:
    """A host, and the connection to it."""

    def __init__(self, name: str) -> None:
        """Take the name of a host, ``[user@]name[:port]``, without connecting yet.

        Raises:
            UsageError: it is not of that form.
        """
        self.name = name
        self.where = destination(name)
        self.connection: asyncssh.SSHClientConnection | None = None
        self.connecting = asyncio.Lock()

    def start(self, command: str, first: bytes = b"") -> Remote:
        """Start a command, and write ``first`` to its input, which stays open.

        Raises:
            OSError, asyncssh.Error: the host cannot be reached, or refuses the login.
        """
        return run_in_loop(self.start_command(command, first))

    async def start_command(self, command: str, first: bytes) -> Remote:
        """Start a command, in the event loop."""
        connection = await self.connect()
        process = await connection.create_process(command, encoding=None)
        process.stdin.write(first)
        return Remote(process, connection)

    def start_stream(self, command: str, reading: int, writing: int) -> Remote:
        """Start a command whose input and output are descriptors of pipes, which it owns from now on.

        Args:
            command: what to run.
            reading: from which its input comes, until the other end of that pipe is closed.
            writing: to which its output goes; closed when the command ends or the connection is lost.

        Raises:
            OSError, asyncssh.Error: the host cannot be reached, or refuses the login.
        """

        async def work() -> Remote:
            connection = await self.connect()
            process = await connection.create_process(command, encoding=None, stdin=reading, stdout=writing)
            return Remote(process, connection)

        return run_in_loop(work())

    def addresses(self) -> tuple[str, str]:
        """Return the address of the host as this one sees it, and that of this host, of the connection that is there.

        Through a proxy they are those of another connection, or none.
        """
        assert self.connection is not None
        far, own = (self.connection.get_extra_info(name) or ("",) for name in ("peername", "sockname"))
        return str(far[0]), str(own[0])

    def output(self, command: str, limit_s: float) -> bytes:
        """Return the standard output of a command.

        Raises:
            LabError: the host cannot be reached or refuses the login, or the command fails there.
        """

        async def work() -> bytes:
            connection = await self.connect()
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

    def close(self) -> None:
        """Close the connection, if there is one; the next command makes another."""

        async def end() -> None:
            if self.connection is not None:
                self.connection.close()
                await self.connection.wait_closed()

        try:
            run_in_loop(end(), EXIT_S)
        except LOST:
            self.connection = None

    async def connect(self) -> asyncssh.SSHClientConnection:
        """Return the connection, which is made if there is none."""
        async with self.connecting:
            if self.connection is None or self.connection.is_closed():
                self.connection = await open_connection(self.where)
            return self.connection

    def wait_until_back(self, limit_s: float, interval_s: float, cancelled: Callable[[], bool]) -> bool:
        """Wait until the host can be reached again; return False after ``limit_s``, or when ``cancelled`` is true."""

        async def reconnect() -> bool:
            while not cancelled():
                try:
                    await self.connect()
                except LOST:
                    await asyncio.sleep(interval_s)
                else:
                    return True
            return False

        try:
            return run_in_loop(reconnect(), limit_s)
        except TimeoutError:
            return False


async def open_connection(where: dict[str, Any]) -> asyncssh.SSHClientConnection:
    """Log in to a host.

    Args:
        where: as ``destination`` returns it.

    Raises:
        OSError, asyncssh.Error: the host cannot be reached, or refuses the login.
    """
    connecting = asyncssh.connect(**where, keepalive_interval=KEEPALIVE_S, keepalive_count_max=KEEPALIVES)
    return await asyncio.wait_for(connecting, CONNECT_S)


def error_text(error: BaseException) -> str:
    """Return an error as a text without a full stop at its end."""
    unanswered = f"no answer within {CONNECT_S:g} s" if isinstance(error, TimeoutError) else type(error).__name__
    return str(error).rstrip(".") or unanswered


def as_bytes(output: bytes | str | None) -> bytes:
    """Return the output of a command; without an encoding it is bytes, which its type does not express."""
    assert isinstance(output, bytes)
    return output
