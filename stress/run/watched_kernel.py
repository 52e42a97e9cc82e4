# SPDX-License-Identifier: MIT
"""The kernel's own word on the listeners of the network namespace of this thread, while it is watched; for root."""

from collections import Counter
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from stress.analysis.inspection.kernel_words import count_by_listener
from stress.lab.kernel_word.word import KernelWord, open_kernel_word
from stress.lab.namespace_state import NamespaceState
from stress.model.errors import LabError
from stress.model.inspection import Unseen

WHAT = "why the kernel dropped packets and sent resets"


class WatchedKernel:
    """Hears the kernel as long as its context lasts, where it may.

    Attributes:
        unseen: what could not be heard, and why.
    """

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.word: KernelWord | None = None
        self.unseen: list[Unseen] = []
        self.counts: dict[str, Counter[str]] = {}

    def __enter__(self) -> Self:
        try:
            word = self.stack.enter_context(open_kernel_word())
        except LabError as error:
            self.unseen.append(Unseen(WHAT, str(error).rstrip("."), "Run it as root of the host."))
            return self
        if word.is_complete:
            self.word = word
            word.watch_this_namespace()
        else:
            self.unseen.append(Unseen(WHAT, word.limits.rstrip("."), "A newer kernel tells them by packet."))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stack.close()

    def count(self, state: NamespaceState) -> dict[str, dict[str, int]]:
        """Return packets dropped and resets sent so far, by listener's endpoint and by reason."""
        if self.word is not None:
            events = self.word.drain()
            new = count_by_listener(events, state.listeners, self.word.drop_reasons, self.word.reset_reasons)
            for place, reasons in new.items():
                self.counts.setdefault(place, Counter()).update(reasons)
            if lost := self.word.lost:
                self.unseen = [Unseen(WHAT, f"{lost:,} of these events came faster than they were read", "")]
        return {place: dict(reasons.most_common()) for place, reasons in self.counts.items()}
