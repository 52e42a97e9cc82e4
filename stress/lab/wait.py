# SPDX-License-Identifier: MIT
"""Wait for a condition, with a time limit."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], limit_s: float, interval_s: float = 0.01) -> bool:
    """Return True as soon as ``condition`` is true, or False when it is not within ``limit_s``."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(interval_s)
    return True
