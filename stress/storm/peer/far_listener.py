# SPDX-License-Identifier: MIT
"""The server under test across a link: what the client asks of its listener, by calls."""

import socket
from contextlib import nullcontext, suppress
from typing import Any, Literal

import numpy as np

from stress.lab import wait
from stress.lab.listener import Listener
from stress.model.plan import Plan
from stress.model.record import ListenerReport
from stress.storm.peer import calls
from stress.storm.peer.caller import Caller
from stress.storm.peer.far_host import FarHost
from stress.storm.peer.joined_peer import LOST

LOOK_S = 0.02  # between two questions across the link


class FarConnection:
    """A connection that the serving side has accepted and holds; in the place of its socket."""

    def __init__(self, caller: Caller, number: int) -> None:
        """Know its number there."""
        self.caller = caller
        self.number = number

    def shutdown(self, how: int, /) -> None:
        """Send its FIN; ``how`` is SHUT_WR."""
        assert how == socket.SHUT_WR
        self.caller.call(calls.Shutdown(self.number))

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """Return its TCP state as the first byte of TCP_INFO has it; no other option is known."""
        assert (level, option, size) == (socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        return bytes([self.caller.call(calls.ReadState(self.number))])


class FarListener(Listener):
    """Listening sockets on the serving host, and the processes there that serve them."""

    def __init__(self, caller: Caller, plan: Plan, host: FarHost) -> None:
        """Listen.

        Args:
            caller: of the control channel, on which the act has begun.
            plan: of the act.
            host: that it is on.

        Raises:
            UsageError, LabError: as of a ``Listener``.
        """
        self.caller = caller
        self.host = host
        self.ports = plan.server_ports
        self.processes, self.served, self.stuck, self.held = [], [], [], []
        self.inside = nullcontext
        caller.call(calls.Listen())

    def start(
        self,
        *,
        leak: int = 0,
        then: Literal["close", "leave"] = "close",
        answer: bool = False,
        nofile: int | None = None,
    ) -> None:
        """Start a further process there, as of a ``Listener``."""
        self.caller.call(calls.StartProcess(leak=leak, then=then, answer=answer, nofile=nofile))

    def accept(self, server_port: int, limit_s: float) -> Any:
        """Accept a connection of a port, which the serving side holds from then on."""
        return FarConnection(self.caller, self.caller.call(calls.Accept(server_port, limit_s)))

    def shorten_queue(self, backlog: int) -> None:
        """Limit accept queues, as of a ``Listener``."""
        self.caller.call(calls.ShortenQueue(backlog))

    def close_stuck(self) -> None:
        """Close the sockets that nobody accepts from; where the channel is lost, the serving side closes all itself."""
        with suppress(*LOST):
            self.caller.call(calls.CloseStuck())

    def stop_listening(self) -> None:
        """Close all listening sockets."""
        self.caller.call(calls.StopListening())

    def report(self) -> ListenerReport:
        """Return the counts of all processes so far."""
        report: ListenerReport = self.caller.call(calls.ReadReport())
        return report

    def wait_accepted(self, count: int, limit_s: float) -> bool:
        """Wait until ``count`` connections were accepted in total; return whether they were."""
        return wait.wait_until(lambda: self.report().accepted >= count, limit_s, interval_s=LOOK_S)

    def starved_ns(self) -> tuple[int, int] | None:
        """Return the times of the first and last EMFILE of accept() in the client's clock.

        None if there was none, or if the clocks of both hosts cannot be compared.
        """
        starved: tuple[int, int] | None = self.caller.call(calls.ReadStarved())
        if starved is None or self.host.clocks is None:
            return None
        first, last = self.host.clocks.convert(np.array(starved, np.int64)).tolist()
        return first, last

    def wait_settled(self, limit_s: float) -> bool:
        """Wait until everything is accepted and closed there, as of a ``Listener``."""
        settled: bool = self.caller.call(calls.WaitSettled(limit_s))
        return settled

    def queue_length(self, _: object = None) -> int:
        """Return the number of connections in its accept queues."""
        length: int = self.caller.call(calls.ReadQueue())
        return length

    def close(self) -> None:
        """Do nothing: it ends with the act."""
