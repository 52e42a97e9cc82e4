# SPDX-License-Identifier: MIT
"""Waiting for something to become true, never longer than a limit."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], limit_s: float, interval_s: float = 0.01) -> bool:
    """Return True as soon as ``condition`` holds, False when it does not within ``limit_s``."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(interval_s)
    return True
