# SPDX-License-Identifier: MIT
"""Closes the stuck listeners during a storm, as a server does that reloads its configuration."""

import threading
from types import TracebackType
from typing import Self

from stress.lab.listener import Listener
from stress.lab.signals import start_deaf
from stress.model.plan import Plan


class ListenerReload:
    """Closes the stuck listeners when the plan says, in a thread, or at the end of the context if that is sooner.

    Does nothing where they are to stay.
    """

    def __init__(self, plan: Plan, listener: Listener) -> None:
        self.until_s = plan.stuck_until_s
        self.listener = listener
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.wait_and_close, name="listener reload")

    def wait_and_close(self) -> None:
        """Wait until it is time, or the storm is over, and close them."""
        self.over.wait(self.until_s)
        self.listener.close_stuck()

    def __enter__(self) -> Self:
        if self.until_s is not None:
            start_deaf(self.thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        if self.until_s is not None:
            self.thread.join()
