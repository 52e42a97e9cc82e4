# SPDX-License-Identifier: MIT
"""Watch: two threads of the serving side, one of which sends beats while the other looks at the limits.

They are two because what sends may have to wait for a client that does not read.
"""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from stress.lab import counters, listening
from stress.lab.signals import start_deaf
from stress.model.errors import ChannelClosedError, LabError
from stress.model.peer import BEAT_S, SILENCE_S, ServeLimits
from stress.storm.peer.calls import Beat
from stress.storm.peer.channel import Channel
from stress.storm.peer.interruption import Interruption
from stress.storm.peer.rate_limit import LOOK_S, Look, RateLimit
from stress.storm.peer.serving_listener import ServingListener

OVERFLOWS = "ListenOverflows"
# Where a queue is full and nobody accepts, a client that keeps to the rate sends each SYN again: 4 times by
# net.ipv4.tcp_syn_linear_timeouts (Linux 6.5), 6 by tcp_syn_retries, and once before.
SYNS_OF_AN_ATTEMPT = 12
ASK_S = 60.0  # for so long a client may wait before it asks for an agreement


@dataclass(frozen=True)
class Load:
    """What has come to the listening sockets of a session.

    Attributes:
        least: connections that were accepted or wait in an accept queue, at least.
        most: the same, at most.
        dropped: SYNs and ACKs that found a queue full.
    """

    least: int
    most: int
    dropped: int


class Watch:
    """Ends a session, by its interruption, that is silent or goes beyond its limits. A context manager."""

    def __init__(self, channel: Channel, interruption: Interruption) -> None:
        """Watch for silence; ``agree`` and ``follow`` add the limits."""
        self.channel = channel
        self.interruption = interruption
        self.limits: ServeLimits | None = None
        self.begin_s = time.monotonic()
        self.end_s = 0.0
        self.rates: tuple[RateLimit, RateLimit] | None = None  # of connections, and of SYNs that are dropped
        self.serving: ServingListener | None = None
        self.past = Load(0, 0, 0)  # of the listeners of acts before
        self.drops: dict[int, int] = {}  # of each socket, by its inode
        self.overflows_before = 0
        self.lock = threading.Lock()  # held while the listener is looked at, which must not be closed meanwhile
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=target, daemon=True) for target in (self.send_beats, self.look)]

    def agree(self, limits: ServeLimits) -> None:
        """Hold the session to limits from now on."""
        now_s = time.monotonic()
        rate = limits.max_rate_per_s
        dropped = RateLimit(SYNS_OF_AN_ATTEMPT * rate, now_s, "SYNs that found a queue full")
        self.rates = (RateLimit(rate, now_s), dropped)
        self.overflows_before = counters.read().get(OVERFLOWS, 0)
        self.end_s = now_s + limits.max_seconds
        self.limits = limits

    def follow(self, serving: ServingListener | None) -> None:
        """Count the connections of another listener from now on, in addition to those before; None: of no further."""
        with self.lock:
            if self.serving is not None:
                with suppress(LabError, OSError):  # of which the thread that looks ends the session
                    self.past = self.read_load(self.serving)
            self.drops = {}
            self.overflows_before = counters.read().get(OVERFLOWS, 0)
            self.serving = serving

    def send_beats(self) -> None:
        """Send a beat each second."""
        reason = "no beat could be sent any more"
        try:
            while not self.stopped.wait(BEAT_S):
                self.channel.send(Beat())
        except ChannelClosedError as error:
            reason = str(error)
        finally:
            self.end_unless_stopped(reason)

    def look(self) -> None:
        """Look at silence, time and rate each tenth of a second."""
        reason = None
        try:
            while reason is None and not self.stopped.wait(LOOK_S):
                reason = self.find_reason()
        except (LabError, OSError) as error:
            reason = f"its limits could not be watched any more: {error}"
        finally:
            self.end_unless_stopped(reason or "its limits are not watched any more")

    def end_unless_stopped(self, reason: str) -> None:
        """End the session when a thread of it comes to its end first, by whatever: nothing goes on unwatched."""
        if not self.stopped.is_set():
            self.end(reason)

    def end(self, reason: str) -> None:
        """Let nobody connect any more, at once, whatever the main thread does; then let it end the session."""
        with self.lock:
            if self.serving is not None:
                self.serving.refuse_connections()
        self.interruption.end(reason)

    def find_reason(self) -> str | None:
        """Return why the session has to end now; None: it need not."""
        now_s = time.monotonic()
        if self.channel.silent_s > SILENCE_S:
            return f"nothing came from the client for {SILENCE_S:g} s"
        if self.limits is None or self.rates is None:
            return f"the client asked for nothing within {ASK_S:g} s" if now_s > self.begin_s + ASK_S else None
        if now_s > self.end_s:
            return f"the {self.limits.max_seconds:,g} s that the serving host permits are over"
        with self.lock:
            if self.serving is None:
                return None
            load = self.read_load(self.serving)
        ended_s = time.monotonic()
        completed, dropped = self.rates
        return completed.find_excess(Look(now_s, ended_s, load.least, load.most)) or dropped.find_excess(
            Look(now_s, ended_s, load.dropped, load.dropped)
        )

    def read_load(self, serving: ServingListener) -> Load:
        """Return what came so far.

        A connection counts when the kernel has completed it. It may be accepted while the queues are read, so that it
        is counted by neither, or by both: what was accepted is read before them and after.

        sk_drops of a listening socket counts full queues, but also what its filter dropped, which strangers sent, and
        ListenOverflows full queues, but also those of other programs: what the storm lost is neither more than the one
        nor more than the other (tcp_listendrop(), tcp_v4_rcv()).
        """
        past, waiting, accepted_before = self.past, 0, serving.accepted
        for entry in listening.list_listening():
            if entry.inode in serving.inodes:
                waiting += entry.waiting
                self.drops[entry.inode] = entry.drops
        overflows = counters.read().get(OVERFLOWS, 0) - self.overflows_before
        dropped = min(sum(self.drops.values()), overflows)
        return Load(
            least=past.least + accepted_before + waiting,
            most=past.most + waiting + serving.accepted,
            dropped=past.dropped + dropped,
        )

    def __enter__(self) -> Self:
        for thread in self.threads:
            start_deaf(thread)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop looking; the threads end by themselves."""
        self.stopped.set()
