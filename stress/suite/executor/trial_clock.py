# SPDX-License-Identifier: MIT
"""How long a trial that cannot be looked into has been running: its records are in the memory of a guest."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from stress.lab.signals import start_deaf
from stress.model.progress import ProgressCallback
from stress.view.text.suite_plan import time_text

INTERVAL_S = 10.0


@contextmanager
def tell_time(watch: ProgressCallback, expected_s: float | None) -> Iterator[None]:
    """Tell every INTERVAL_S how long a trial in a guest has been running, from another thread, until the context ends.

    Args:
        watch: called with the text, and at the end with an empty one.
        expected_s: about how long it takes; None where nobody knows.
    """
    over = threading.Event()
    thread = threading.Thread(target=tell_until, args=(over, watch, expected_s), daemon=True)
    start_deaf(thread)
    try:
        yield
    finally:
        over.set()
        thread.join()
        watch("")


def tell_until(over: threading.Event, watch: ProgressCallback, expected_s: float | None) -> None:
    """Tell how long a trial has been running until it is over."""
    elapsed_s = 0.0
    while not over.wait(INTERVAL_S):
        elapsed_s += INTERVAL_S
        watch(running_text(elapsed_s, expected_s))


def running_text(elapsed_s: float, expected_s: float | None) -> str:
    """Return how long a trial has been running, and how much longer it probably takes."""
    text = f"in its guest for {time_text(elapsed_s)}"
    if expected_s is None:
        return text
    left_s = expected_s - elapsed_s
    return f"{text}, about {time_text(left_s)} left" if left_s > 0 else f"{text}, {time_text(expected_s)} were expected"
