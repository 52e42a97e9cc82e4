# SPDX-License-Identifier: MIT
"""Interrupts: SIGTERM stores what was recorded, as Ctrl-C does; the exit code says which, and a suite how to go on."""

import shlex
import signal
from collections.abc import Sequence
from pathlib import Path

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


def resume_command(path: Path, executor_options: Sequence[str], *, host: bool, retry_failed: bool) -> str:
    """Return the command that runs what is missing in a suite folder, as a shell reads it."""
    flags = [*(["--retry-failed"] if retry_failed else []), *(["--host"] if host else [])]
    return shlex.join(["connstorm", "suite", str(path), "--resume", *flags, *executor_options])
