# SPDX-License-Identifier: MIT
"""The listener of an act on the serving side: carries out the client's calls about it, within what one may ask."""

import os
import resource
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

from stress._listener import ACCEPTED
from stress.lab.listener import PROCESSES_MAX, Listener
from stress.lab.source_filter import Source
from stress.model.errors import UsageError
from stress.model.plan import Plan
from stress.model.text import endpoint_text
from stress.model.world import Drop
from stress.storm.check.plan_rules import DESCRIPTORS_RESERVED
from stress.storm.peer import calls
from stress.storm.peer.calls import Call
from stress.storm.peer.end_changes import uses_rules

WAIT_MAX_S = 60.0  # a call keeps the client waiting for no longer
BACKLOG_MAX = 65535
LEAK_MAX = 1 << 30
HELD_MAX = 50_000  # connections of this process: for mines whose states it has to bring about


class ServingListener:
    """The listening sockets of an act, and the connections that this process has accepted from them."""

    def __init__(
        self, plan: Plan, sources: list[Source], uninterrupted: Callable[[], AbstractContextManager[None]]
    ) -> None:
        """Listen as the plan of the act says, for some sources alone; ``uninterrupted`` is as of ``Listener``.

        Raises:
            UsageError: a port is in use, or may not be used.
            LabError: the address is gone.
        """
        self.held: list[socket.socket] = []
        self.listener = Listener(
            plan.target,
            plan.target_port,
            ports=plan.target_ports,
            per_port=plan.listeners,
            stuck=plan.stuck,
            keepalive_s=plan.keepalive_s,
            drop_rst=plan.drop is Drop.RST and not uses_rules(plan),
            sources=sources,
            cpu=choose_cpu(plan),
            uninterrupted=uninterrupted,
        )
        self.inodes = {os.fstat(bound.fileno()).st_ino for bound in self.listener.sockets}

    def handlers(self) -> dict[type[Call], Callable[[Any], Any]]:
        """Return what carries out each call."""
        listener = self.listener
        return {
            calls.StartProcess: self.start,
            calls.Accept: self.accept,
            calls.Shutdown: lambda call: self.connection(call.connection).shutdown(socket.SHUT_WR),
            calls.ReadState: lambda call: read_state(self.connection(call.connection)),
            calls.ReadEnds: lambda call: read_ends(self.connection(call.connection)),
            calls.ShortenQueue: self.shorten_queue,
            calls.CloseStuck: lambda _: listener.close_stuck(),
            calls.StopListening: lambda _: listener.stop_listening(),
            calls.ReadReport: lambda _: listener.report(),
            calls.ReadStarved: lambda _: listener.starved_ns(),
            calls.ReadQueue: lambda _: listener.queue_length(),
            calls.WaitSettled: lambda call: listener.wait_settled(bounded(call.limit_s)),
        }

    def start(self, call: calls.StartProcess) -> None:
        """Start a process that serves; the call's arguments are as of ``Listener.start``."""
        if len(self.listener.processes) >= PROCESSES_MAX:
            raise UsageError(f"A listener has {PROCESSES_MAX} processes at most.")
        if not -1 <= call.leak <= LEAK_MAX:
            raise UsageError(
                f"A listener process leaks -1, which is all, or more, up to {LEAK_MAX:,}, not {call.leak:,}."
            )
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        if call.nofile is not None and not 0 < call.nofile <= (LEAK_MAX if most == resource.RLIM_INFINITY else most):
            raise UsageError(f"A listener process has 1 to {most:,} descriptors there, not {call.nofile:,}.")
        if not self.listener.served:
            raise UsageError("A process cannot serve where nothing listens any more.")
        self.listener.start(leak=call.leak, then=call.then, answer=call.answer, nofile=call.nofile)

    def accept(self, call: calls.Accept) -> int:
        """Accept a connection of a port; return its number."""
        listener = self.listener
        if call.port not in listener.ports or len(listener.sockets) < len(listener.ports):
            raise UsageError(f"Nothing listens on port {call.port} for this storm.")
        nofile, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = min(HELD_MAX, nofile - DESCRIPTORS_RESERVED - len(listener.sockets))  # the watch needs some too
        if len(self.held) >= most:
            raise UsageError(f"The serving process holds {most:,} connections at most.")
        self.held.append(listener.accept(call.port, bounded(call.limit_s)))
        return len(self.held) - 1

    def shorten_queue(self, call: calls.ShortenQueue) -> None:
        """Limit the accept queues."""
        if not 0 <= call.backlog <= BACKLOG_MAX:
            raise UsageError(f"An accept queue is limited to 0 to {BACKLOG_MAX}, not to {call.backlog}.")
        self.listener.shorten_queue(call.backlog)

    def connection(self, number: int) -> socket.socket:
        """Return an accepted connection."""
        if not 0 <= number < len(self.held):
            raise UsageError(f"There is no accepted connection {number}.")
        return self.held[number]

    @property
    def accepted(self) -> int:
        """The number of connections that were accepted so far, by any process."""
        return self.listener.total(ACCEPTED) + len(self.held)

    def refuse_connections(self) -> None:
        """Accept no connection from now on, in no process; any thread may call it.

        shutdown() of a listening socket ends that for everybody who shares it (inet_shutdown()), and resets what waits
        in its queue.
        """
        for bound in self.listener.sockets:
            with suppress(OSError):  # it was closed, or does not listen yet
                bound.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the listener and every connection that was accepted."""
        self.refuse_connections()
        self.listener.close()


def bounded(limit_s: float) -> float:
    """Return a time limit within what a call may take."""
    return min(max(limit_s, 0.0), WAIT_MAX_S)


def read_state(connection: socket.socket) -> int:
    """Return the number of a connection's TCP state."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def read_ends(connection: socket.socket) -> tuple[str, str]:
    """Return the address and port of this end of a connection, and of the other."""
    return endpoint_text(*connection.getsockname()[:2]), endpoint_text(*connection.getpeername()[:2])


def choose_cpu(plan: Plan) -> int | None:
    """Return the CPU that the listener is pinned to, where the plan pins and there is one besides."""
    available = sorted(os.sched_getaffinity(0))
    return available[0] if plan.pin and len(available) > 1 else None
