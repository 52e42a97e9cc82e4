# SPDX-License-Identifier: MIT
"""The server under test: a listening socket per port, shared by processes that accept, close or leak."""

import errno
import mmap
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Literal, Self

from stress._listener import ACCEPTED, CLOSED, ERRORS, FIRST, LEAKED, READY, SLOTS, STARVED_FROM, STARVED_TO, STOP
from stress.lab import census, firewall, reachability, sysctl, wait
from stress.model.errors import ConnstormError, LabError
from stress.model.record import ListenerReport

PROCESSES_MAX = 80  # 64 that hold mines, and those that close the connections of the storm
START_LIMIT_S = 20.0
STOP_LIMIT_S = 5.0
PROBE_INTERVAL_S, PROBES = 1, 3  # keepalive probes, once a connection has been idle for long enough


class Listener:
    """Listening sockets and the processes that serve them. A context manager, which ends the processes on exit."""

    def __init__(
        self,
        address: str,
        port: int,
        *,
        ports: int = 1,
        keepalive_s: int = 0,
        drop_rst: bool = False,
        cpu: int | None = None,
        inside: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Listen on ``address``:``port`` with the longest queue that net.core.somaxconn allows.

        Args:
            address: IPv4 or IPv6.
            port: TCP port.
            ports: number of ports, counted up from ``port``.
            keepalive_s: idle time before accepted sockets send keepalive probes; 0 is off.
            drop_rst: drop segments with RST, on the listening and all accepted sockets.
            cpu: the CPU that serving processes are pinned to; None does not pin them.
            inside: returns a context in which the calling thread is on the server's host.

        Raises:
            UsageError: the port is in use.
            NotApplicableError, LabError: there is no such address here.
        """
        self.family = 6 if ":" in address else 4
        self.ports = range(port, port + ports)
        self.cpu = cpu
        self.inside = inside
        self.processes: list[ListenerProcess] = []
        # One file for the reports of all processes: a file per process would need a descriptor each.
        self.pages_fd = os.memfd_create("connstorm-listener")
        os.ftruncate(self.pages_fd, PROCESSES_MAX * mmap.PAGESIZE)
        self.pages = mmap.mmap(self.pages_fd, PROCESSES_MAX * mmap.PAGESIZE)
        self.sockets: list[socket.socket] = []
        self.held: list[socket.socket] = []  # connections of this process
        with self.inside():
            self.bind_sockets(address, keepalive_s=keepalive_s, drop_rst=drop_rst)

    def bind_sockets(self, address: str, *, keepalive_s: int, drop_rst: bool) -> None:
        """Listen on every port; the arguments are as of the class."""
        backlog = int(sysctl.read("net.core.somaxconn") or socket.SOMAXCONN)
        for server_port in self.ports:
            try:
                listening = reachability.bind_server(address, server_port)
            except ConnstormError:
                self.close()
                raise
            listening.settimeout(0)  # the processes that share it do not block
            self.sockets.append(listening)
            if drop_rst:
                firewall.attach_filter(listening, firewall.DROP_RST)
            if keepalive_s:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # accepted sockets inherit all four
                listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keepalive_s)
                listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_INTERVAL_S)
                listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
            listening.listen(backlog)

    def start(
        self,
        *,
        leak: int = 0,
        then: Literal["close", "leave"] = "close",
        nofile: int | None = None,
    ) -> None:
        """Start a further process: it leaks ``leak`` connections (-1: all), then closes, or leaves, the others.

        ``nofile`` is its RLIMIT_NOFILE; None leaves the limit unchanged.

        Returns once it serves, because a process that is still starting would take CPU time from a storm.

        Raises:
            LabError: it does not start.
        """
        number = len(self.processes)
        limit = "" if nofile is None else nofile
        cpu = "" if self.cpu is None else self.cpu
        with self.inside():
            process = ListenerProcess(self.sockets, self.pages, self.pages_fd, number, [leak, then, cpu, limit])
        self.processes.append(process)
        if not wait.wait_until(process.is_ready, START_LIMIT_S):
            raise LabError(f"A listener process did not start within {START_LIMIT_S:g} s.")

    def accept(self, server_port: int, limit_s: float) -> socket.socket:
        """Accept a connection of a port in this process, which holds it from then on; TimeoutError if none comes."""
        listening = self.sockets[self.ports.index(server_port)]
        listening.settimeout(limit_s)
        try:
            connection, _ = listening.accept()
        finally:
            listening.settimeout(0)
        self.held.append(connection)
        return connection

    def shorten_queue(self, backlog: int) -> None:
        """Limit the accept queue of each port to ``backlog`` + 1 connections (sk_acceptq_is_full())."""
        for listening in self.sockets:
            listening.listen(backlog)

    def total(self, slot: int) -> int:
        """Return the sum of a slot over the reports of all processes."""
        return sum(process.report[slot] for process in self.processes)

    def report(self) -> ListenerReport:
        """Return the counts of all processes so far.

        Raises:
            LabError: one of them has ended.
        """
        for process in self.processes:
            process.check()
        errors = {
            name: count
            for number, name in errno.errorcode.items()
            if ERRORS + number < SLOTS and (count := self.total(ERRORS + number))
        }
        return ListenerReport(
            accepted=self.total(ACCEPTED),
            leaked=self.total(LEAKED),
            closed=self.total(CLOSED),
            first=self.total(FIRST),
            errors=errors,
        )

    def wait_accepted(self, count: int, limit_s: float) -> bool:
        """Wait until ``count`` connections were accepted in total; return whether they were."""
        return wait.wait_until(lambda: self.report().accepted >= count, limit_s)

    def starved_ns(self) -> tuple[int, int] | None:
        """Return the times of the first and last EMFILE of accept() (CLOCK_MONOTONIC, ns); None if there was none."""
        spans = [(process.report[STARVED_FROM], process.report[STARVED_TO]) for process in self.processes]
        spans = [(first, last) for first, last in spans if first]
        return (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None

    def wait_settled(self, limit_s: float) -> bool:
        """Wait until all connections that can be accepted are accepted, and all that shall be closed are closed.

        Two checks must agree: the server may have taken a connection from the queue and not counted it yet.
        """
        accepted = -1

        def settled() -> bool:
            nonlocal accepted
            drained = self.queue_length() == 0 or self.starved_ns() is not None or not self.processes
            report = self.report()
            before, accepted = accepted, report.accepted
            return drained and report.accepted == report.leaked + report.closed and before == accepted

        return wait.wait_until(settled, limit_s)

    def queue_length(self) -> int:
        """Return the number of connections in the accept queues."""
        with self.inside():
            sockets = list(census.iterate_sockets(self.family, ["LISTEN"]))
        return sum(listening.receive_queue for listening in sockets if listening.local_port in self.ports)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes, which closes every socket that they hold, and stop listening."""
        for process in self.processes:
            process.report[STOP] = 1
        for process in self.processes:
            process.end()
        self.processes.clear()
        self.pages.close()
        os.close(self.pages_fd)
        for own in (*self.sockets, *self.held):
            own.close()


class ListenerProcess:
    """One serving process, and the page of memory with its counts."""

    def __init__(
        self,
        listening: Sequence[socket.socket],
        pages: mmap.mmap,
        pages_fd: int,
        number: int,
        options: list[object],
    ) -> None:
        """Start it with page ``number`` of ``pages``; the page outlives the process that writes it.

        ``options`` are the last arguments of ``listener_process.main``.
        """
        offset = number * mmap.PAGESIZE
        self.report = memoryview(pages)[offset : offset + SLOTS * 8].cast("q")
        descriptors = [listening_socket.fileno() for listening_socket in listening]
        arguments = (",".join(map(str, descriptors)), pages_fd, offset, *options)
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "stress.lab.listener_process", *map(str, arguments)],
            pass_fds=(*descriptors, pages_fd),
            stdin=subprocess.DEVNULL,
        )

    def is_ready(self) -> bool:
        """Return whether it serves; raise LabError if it has ended."""
        self.check()
        return bool(self.report[READY])

    def check(self) -> None:
        """Raise LabError if the process has ended by itself."""
        if (code := self.popen.poll()) is not None:
            raise LabError(f"A listener process ended by itself with code {code}; its sockets are closed.")

    def end(self) -> None:
        """Wait for the process, kill it when it does not stop, and release its page."""
        try:
            self.popen.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.report.release()
