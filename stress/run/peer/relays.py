# SPDX-License-Identifier: MIT
"""The relays of this process, and the one interrupt by which the loss of any of their hosts ends what it does."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

from stress.model.errors import LabError
from stress.run.peer.relay import Relay
from stress.run.peer.relay_spec import LOSS, RelaySpec
from stress.storm.peer.joined_peer import LOST


class Relays:
    """Reaches other hosts, each by a relay; to be used in the main thread. Leaving the context ends all relays.

    Inside, a host that is lost (a signal of its relay), or a relay that ended by itself, is a KeyboardInterrupt, as by
    SIGINT, so that whoever ignores or defers SIGINT does so with this. There is one at most: what it interrupts has to
    clean up. Outside there is none of them: one that leaves the context becomes a LabError with the reason, unless all
    hosts agree still, so that it was the user's.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.relays: list[Relay] = []
        self.is_deferring = False  # what is waited for tells a loss itself
        self.has_noticed = False
        self.is_over = False  # a loss makes no difference any more
        self.before: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {}

    def reach(self, spec: RelaySpec) -> Relay:
        """Return a relay that has joined the other host.

        Raises:
            UsageError, LabError: that cannot be reached, refuses, or speaks another protocol.
        """
        with self.losses_deferred():
            relay = Relay(spec, self.losses_deferred)
            self.relays.append(relay)
            relay.join()
        return relay

    @contextmanager
    def losses_deferred(self, relay: Relay | None = None) -> Iterator[None]:
        """Let nothing be interrupted by a loss inside the context, but after it, unless an error leaves it.

        Args:
            relay: of which an answer is waited for, and with it for why there is none. None: no other relay's loss
                has to be told soon.
        """
        if relay is not None and self.relays != [relay]:
            yield
            return
        before, self.is_deferring = self.is_deferring, True
        try:
            yield
        except LOST:
            self.is_over = True  # it is told, and what cleans up now is not to be interrupted
            raise
        finally:
            self.is_deferring = before
        if self.has_noticed and not (self.is_over or before):
            self.interrupt(None)

    def notice(self, number: int, frame: FrameType | None) -> None:
        """Interrupt this process if a host or a relay is lost; other children may end."""
        if number == signal.SIGCHLD and not any(relay.has_died() for relay in self.relays):
            return
        is_leaving = frame is not None and frame.f_code is Relays.__exit__.__code__  # before its first line
        if self.has_noticed or self.is_over or is_leaving:
            return
        self.has_noticed = True
        if not self.is_deferring:
            self.interrupt(frame)

    def interrupt(self, frame: FrameType | None) -> None:
        """Do what SIGINT does; once."""
        self.is_over = True
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):
            handler(signal.SIGINT, frame)

    def find_loss(self) -> str | None:
        """Return why a host is lost, as a sentence; None: all agree still."""
        return next((reason for relay in self.relays if (reason := relay.loss())), None)

    def __enter__(self) -> Self:
        for number in (LOSS, signal.SIGCHLD):
            self.before[number] = signal.signal(number, self.notice)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_over = True
        reason = None
        try:
            if isinstance(value, KeyboardInterrupt):
                reason = self.find_loss()
        finally:
            for relay in reversed(self.relays):
                relay.end()
            for number, handler in self.before.items():
                signal.signal(number, handler)
        if reason is not None:
            raise LabError(reason) from None
