# SPDX-License-Identifier: MIT
"""Inspections of the network namespace that this thread is in: one look, or a watch."""

import platform
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from stress.analysis.inspection.assemble import inspect_state
from stress.lab.namespace_state import NamespaceState, take_state
from stress.model.inspection import Check, Inspection
from stress.run.watched_kernel import WatchedKernel

INTERVAL_S = 1.0  # between looks of a watch
PAUSE_PER_LOOK = 4  # where a look takes long, it gets a fifth of the time at most

ShowWatch = Callable[[Inspection, float], None]  # the watch so far, and the seconds that remain


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        namespace: which network namespace this is, in words.
        port: only listeners of this port and destinations with it; None is every port.
        pid: only sockets of this process; None is every process.
        ignored: checks that make no failure.
    """

    namespace: str
    port: int | None = None
    pid: int | None = None
    ignored: Collection[Check] = field(default_factory=list)

    def answer(self, state: NamespaceState, watched: "WatchedSpan | None" = None) -> Inspection:
        """Return what a state shows; with a span that was watched, what is there at its end, and what changed."""
        return inspect_state(
            state,
            release=platform.release(),
            namespace=self.namespace,
            port=self.port,
            pid=self.pid,
            after=watched.after if watched else None,
            seconds=watched.seconds if watched else None,
            kernel=watched.kernel if watched else None,
            ignored=self.ignored,
        )


@dataclass(frozen=True)
class WatchedSpan:
    """The end of a span that was watched.

    Attributes:
        after: the state then.
        seconds: how long it was.
        kernel: packets dropped and resets sent meanwhile, by listener and reason.
    """

    after: NamespaceState
    seconds: float
    kernel: dict[str, dict[str, int]]


def inspect_namespace(question: Question) -> Inspection:
    """Return what one look shows; nothing is sent and nothing is changed.

    Raises:
        LabError: the kernel does not list TCP sockets.
    """
    return question.answer(take_state())


def watch_namespace(question: Question, seconds: float, show: ShowWatch) -> Inspection:
    """Look again and again, and return what the first and the last look show together.

    SIGINT ends the watch with one more look; a second one ends it without.

    Args:
        question: what is asked.
        seconds: how long.
        show: called after each look but the first and the last.

    Raises:
        LabError: the kernel does not list TCP sockets.
        KeyboardInterrupt: SIGINT arrived twice.
    """
    with WatchedKernel() as kernel:
        begin = time.monotonic()
        before = take_state()
        began = time.monotonic()

        def look() -> Inspection:
            state = take_state()
            counts = kernel.count(state)
            state = replace(state, unseen=[*state.unseen, *kernel.unseen])
            return question.answer(before, WatchedSpan(state, round(time.monotonic() - began, 1), counts))

        try:
            look_s = began - begin
            while (remaining_s := began + seconds - time.monotonic()) > 0:
                time.sleep(min(max(INTERVAL_S, PAUSE_PER_LOOK * look_s), remaining_s))
                looked = time.monotonic()
                if (remaining_s := began + seconds - looked) > 0:
                    show(look(), remaining_s)
                look_s = time.monotonic() - looked
        except KeyboardInterrupt:
            pass
        return look()
