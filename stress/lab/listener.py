# SPDX-License-Identifier: MIT
"""The server under test: a listening socket per port, shared by processes that accept, close or leak."""

import errno
import mmap
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Literal, Self

from stress._listener import (
    ACCEPTED,
    ANSWERED,
    CLOSED,
    ERRORS,
    FIRST,
    LEAKED,
    SLOTS,
    STARVED_FROM,
    STARVED_TO,
    STOP,
)
from stress.lab import listening, reachability, source_filter, sysctl, wait
from stress.lab.keepalive import set_keepalive
from stress.lab.serving_process import ListenerProcess
from stress.model.errors import ConnstormError, LabError
from stress.model.record import ListenerReport

PROCESSES_MAX = 128  # 64 that hold mines, and those that close the connections of the storm
START_LIMIT_S = 20.0


class Listener:
    """Listening sockets and the processes that serve them. A context manager, which ends the processes on exit."""

    def __init__(
        self,
        address: str,
        port: int,
        *,
        ports: int = 1,
        per_port: int = 1,
        stuck: int = 0,
        keepalive_s: int = 0,
        drop_rst: bool = False,
        sources: Sequence[source_filter.Source] | None = None,
        cpu: int | None = None,
        inside: Callable[[], AbstractContextManager[None]] = nullcontext,
        uninterrupted: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Listen on ``address``:``port`` with the longest queue that net.core.somaxconn allows.

        Args:
            address: IPv4 or IPv6.
            port: TCP port.
            ports: number of ports, counted up from ``port``.
            per_port: number of sockets that listen on each port, by SO_REUSEPORT.
            stuck: how many of them nobody accepts from.
            keepalive_s: idle time before accepted sockets send keepalive probes; 0 is off.
            drop_rst: drop segments with RST, on the listening and all accepted sockets.
            sources: from which segments are accepted, on all of these sockets; None: from everywhere.
            cpu: the CPU that serving processes are pinned to; None does not pin them.
            inside: returns a context in which the calling thread is on the server's host.
            uninterrupted: returns a context in which no signal raises an exception, so that no process is forgotten.

        Raises:
            UsageError: the port is in use.
            NotApplicableError, LabError: there is no such address here.
        """
        self.ports = range(port, port + ports)
        self.cpu = cpu
        self.inside = inside
        self.uninterrupted = uninterrupted
        self.processes: list[ListenerProcess] = []
        # One file for the reports of all processes: a file per process would need a descriptor each.
        self.pages_fd = os.memfd_create("connstorm-listener")
        os.ftruncate(self.pages_fd, PROCESSES_MAX * mmap.PAGESIZE)
        self.pages = mmap.mmap(self.pages_fd, PROCESSES_MAX * mmap.PAGESIZE)
        self.served: list[socket.socket] = []
        self.stuck: list[socket.socket] = []
        self.held: list[socket.socket] = []  # connections of this process
        with self.inside():
            code = source_filter.choose_program(sources, drop_rst=drop_rst)
            self.bind_sockets(address, per_port, stuck, keepalive_s, code)

    def bind_sockets(self, address: str, per_port: int, stuck: int, keepalive_s: int, code: bytes) -> None:
        """Listen on every port; the arguments are as of the class, ``code`` is the filter, empty for none."""
        backlog = int(sysctl.read("net.core.somaxconn") or socket.SOMAXCONN)
        for server_port in self.ports:
            for number in range(per_port):
                try:
                    bound = reachability.bind_server(address, server_port, shared=per_port > 1)
                except ConnstormError:
                    self.close()
                    raise
                (self.stuck if number < stuck else self.served).append(bound)
                bound.settimeout(0)  # the processes that share it do not block
                if code:
                    source_filter.attach_locked(bound, code)
                if keepalive_s:
                    set_keepalive(bound, keepalive_s)
                bound.listen(backlog)

    @property
    def sockets(self) -> list[socket.socket]:
        """All listening sockets."""
        return self.served + self.stuck

    def start(
        self,
        *,
        leak: int = 0,
        then: Literal["close", "leave"] = "close",
        answer: bool = False,
        nofile: int | None = None,
    ) -> None:
        """Start a further process: it leaks ``leak`` connections (-1: all), then closes, or leaves, the others.

        With ``answer`` it answers the byte that each client of those sends, and closes none before. ``nofile`` is its
        RLIMIT_NOFILE; None leaves the limit unchanged.

        Returns once it serves, because a process that is still starting would take CPU time from a storm.

        Raises:
            LabError: it does not start.
        """
        number = len(self.processes)
        served, cpu = self.part_of(number)
        limits = ["" if limit is None else limit for limit in (cpu, nofile)]
        options = [leak, then, "answer" if answer else "", *limits]
        with self.uninterrupted(), self.inside():
            process = ListenerProcess(served, self.pages, self.pages_fd, number, options)
            self.processes.append(process)
        if not wait.wait_until(process.is_ready, START_LIMIT_S):
            raise LabError(f"A listener process did not start within {START_LIMIT_S:g} s.")

    def part_of(self, number: int) -> tuple[Sequence[socket.socket], int | None]:
        """Return the sockets that a process serves, by its number, and the CPU that it is pinned to."""
        del number
        return self.served, self.cpu

    def accept(self, server_port: int, limit_s: float) -> socket.socket:
        """Accept a connection of a port in this process, which holds it from then on; TimeoutError if none comes."""
        bound = self.sockets[self.ports.index(server_port)]
        bound.settimeout(limit_s)
        try:
            connection, _ = bound.accept()
        finally:
            bound.settimeout(0)
        self.held.append(connection)
        return connection

    def shorten_queue(self, backlog: int) -> None:
        """Limit accept queues to ``backlog`` + 1 connections (sk_acceptq_is_full()): all, or those of stuck sockets."""
        for bound in self.stuck or self.served:
            bound.listen(backlog)

    def close_stuck(self) -> None:
        """Close the sockets that nobody accepts from, with all that is in their queues."""
        while self.stuck:
            self.stuck.pop().close()

    def stop_listening(self) -> None:
        """Close all listening sockets; connections that processes hold stay."""
        while self.served:
            self.served.pop().close()
        self.close_stuck()

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
            answered=self.total(ANSWERED),
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
            drained = self.queue_length(self.served) == 0 or self.starved_ns() is not None or not self.processes
            report = self.report()
            before, accepted = accepted, report.accepted
            return drained and report.accepted == report.leaked + report.closed and before == accepted

        return wait.wait_until(settled, limit_s)

    def queue_length(self, sockets: Sequence[socket.socket] | None = None) -> int:
        """Return the number of connections in the accept queues of some of its sockets, or of all."""
        inodes = {os.fstat(bound.fileno()).st_ino for bound in (self.sockets if sockets is None else sockets)}
        with self.inside():
            return sum(entry.waiting for entry in listening.list_listening() if entry.inode in inodes)

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
