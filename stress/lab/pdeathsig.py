# SPDX-License-Identifier: MIT
"""The parent death signal, so that a process does not outlive its parent."""

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(number: signal.Signals, parent: int | None = None) -> None:
    """Let the kernel send this process a signal when its parent ends, for whatever reason.

    Args:
        number: the signal.
        parent: its process ID. A parent that ended before this was called sends nothing any more, and is noticed by
            it; without it such a child goes on.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    if parent is not None and os.getppid() != parent:
        signal.raise_signal(number)
