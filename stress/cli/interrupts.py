# SPDX-License-Identifier: MIT
"""SIGTERM as an interrupt: what was recorded is stored, as after Ctrl-C, and the exit code says which signal it was."""

import signal

from stress.lab.signals import FirstInterrupt
from stress.model.errors import INTERRUPTED, TERMINATED

_catching: list[FirstInterrupt] = []


def catch_sigterm() -> None:
    """Let the first SIGTERM raise KeyboardInterrupt from now on, unless it is ignored."""
    if not _catching:
        _catching.append(FirstInterrupt(signal.SIGTERM, unless_ignored=True))


def interrupted_code() -> int:
    """Return the exit code of a program that was interrupted: by SIGTERM, or by SIGINT."""
    return TERMINATED if any(catching.received for catching in _catching) else INTERRUPTED
