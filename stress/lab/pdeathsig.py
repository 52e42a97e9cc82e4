# SPDX-License-Identifier: MIT
"""The parent death signal, so that a process does not outlive its parent."""

import ctypes
import signal

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(number: signal.Signals) -> None:
    """Let the kernel send this process a signal when its parent ends, for whatever reason."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
