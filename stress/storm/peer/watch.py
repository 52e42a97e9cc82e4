# SPDX-License-Identifier: MIT
"""Watch: two threads of the serving side, one of which sends beats while the other looks at the limits.

They are two because what sends may have to wait for a client that does not read.
"""

import threading
import time
from contextlib import suppress
from typing import Self

from stress.lab import counters, listening
from stress.model.errors import ChannelClosedError, LabError
from stress.model.peer import BEAT_S, SILENCE_S, ServeLimits
from stress.storm.peer.calls import Beat
from stress.storm.peer.channel import Channel
from stress.storm.peer.interruption import Interruption
from stress.storm.peer.rate_limit import LOOK_S, Load, RateLimit
from stress.storm.peer.serving_listener import ServingListener

OVERFLOWS = "ListenOverflows"
ASK_S = 60.0  # for so long a client may wait before it asks for an agreement


class Watch:
    """Ends a session, by its interruption, that is silent or goes beyond its limits. A context manager."""

    def __init__(self, channel: Channel, interruption: Interruption) -> None:
        """Watch for silence; ``agree`` and ``follow`` add the limits."""
        self.channel = channel
        self.interruption = interruption
        self.limits: ServeLimits | None = None
        self.begin_s = time.monotonic()
        self.end_s = 0.0
        self.rate: RateLimit | None = None
        self.serving: ServingListener | None = None
        self.past_completed = 0  # of the listeners of acts before
        self.past_dropped = 0
        self.drops: dict[int, int] = {}  # of each socket, by its inode
        self.overflows_before = 0
        self.lock = threading.Lock()  # held while the listener is looked at, which must not be closed meanwhile
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=target, daemon=True) for target in (self.send_beats, self.look)]

    def agree(self, limits: ServeLimits) -> None:
        """Hold the session to limits from now on."""
        now_s = time.monotonic()
        self.rate = RateLimit(limits.max_rate_per_s, now_s)
        self.overflows_before = counters.read().get(OVERFLOWS, 0)
        self.end_s = now_s + limits.max_seconds
        self.limits = limits

    def follow(self, serving: ServingListener | None) -> None:
        """Count the connections of another listener from now on, in addition to those before; None: of no further."""
        with self.lock:
            if self.serving is not None:
                load = self.rate.last if self.rate is not None else Load(0, 0, 0)
                with suppress(LabError, OSError):  # of which the thread that looks ends the session
                    load = self.read_load(time.monotonic())
                self.past_completed, self.past_dropped = load.completed, load.dropped
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
        if self.limits is None or self.rate is None:
            return f"the client asked for nothing within {ASK_S:g} s" if now_s > self.begin_s + ASK_S else None
        if now_s > self.end_s:
            return f"the {self.limits.max_seconds:,g} s that the serving host permits are over"
        with self.lock:
            return self.rate.find_excess(self.read_load(now_s)) if self.serving is not None else None

    def read_load(self, now_s: float) -> Load:
        """Return what came so far.

        sk_drops of a listening socket counts full queues, but also what its filter dropped, which strangers sent, and
        ListenOverflows full queues, but also those of other programs: what the storm lost is neither more than the one
        nor more than the other (tcp_listendrop(), tcp_v4_rcv()).
        """
        serving = self.serving
        if serving is None:
            return Load(now_s, self.past_completed, self.past_dropped)
        waiting = 0
        for entry in listening.list_listening():
            if entry.inode in serving.inodes:
                waiting += entry.waiting
                self.drops[entry.inode] = entry.drops
        overflows = counters.read().get(OVERFLOWS, 0) - self.overflows_before
        dropped = min(sum(self.drops.values()), overflows)
        return Load(now_s, self.past_completed + serving.accepted + waiting, self.past_dropped + dropped)

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop looking; the threads end by themselves."""
        self.stopped.set()
