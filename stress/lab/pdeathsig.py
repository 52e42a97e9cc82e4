# SPDX-License-Identifier: MIT
"""The parent death signal, so that a process does not outlive its parent."""

import ctypes
import os
import signal
from collections.abc import Mapping

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PARENT = "CONNSTORM_PARENT"  # in the environment of a new process: the process ID of the one that started it


def with_parent(variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment for a process that is to call ``die_with_parent``.

    It needs some 50 ms before it can. A parent that has ended by then sends no signal any more, and the process finds
    out by this that it has another parent.
    """
    return {**variables, PARENT: str(os.getpid())}


def die_with_parent(number: signal.Signals) -> None:
    """Let the kernel send this process a signal when its parent ends, for whatever reason; at once if it has ended.

    Args:
        number: the signal.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    parent = os.environ.pop(PARENT, None)  # for what this process starts, it would be wrong
    if parent is not None and str(os.getppid()) != parent:
        signal.raise_signal(number)
