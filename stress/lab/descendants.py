# SPDX-License-Identifier: MIT
"""All processes that this one has started, and those that they have: none of them outlives it."""

import ctypes
import os
import signal
from contextlib import suppress
from pathlib import Path

from stress.lab.wait import wait_until

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
PROC = Path("/proc")
PARENT = 1  # field of /proc/PID/stat, counted from the state, which follows the name


def adopt_orphans() -> None:
    """Become the parent of processes whose own parent has ended, if this one is an ancestor of theirs."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def list_children() -> dict[int, list[int]]:
    """Return the processes of each process that has any."""
    children: dict[int, list[int]] = {}
    for process in PROC.iterdir():
        if process.name.isdecimal():
            with suppress(OSError):  # it has ended
                state_on = (process / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(state_on[PARENT]), []).append(int(process.name))
    return children


def list_descendants() -> list[int]:
    """Return the processes that this one and its descendants have started and that have not ended."""
    children, descendants = list_children(), [os.getpid()]
    for process in descendants:
        descendants += children.get(process, [])
    return descendants[1:]


def end_descendants(patience_s: float = 0.0) -> None:
    """End all descendants, and wait until they have ended; ``adopt_orphans`` was called before they were started.

    Args:
        patience_s: how long they may take to end by themselves, after SIGHUP, before they are killed.
    """
    if patience_s:
        send_signal(list_descendants(), signal.SIGHUP, signal.SIGCONT)
        wait_until(has_no_children, patience_s)
    while not has_no_children():
        send_signal(list_descendants(), signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(-1, 0)


def send_signal(processes: list[int], *numbers: signal.Signals) -> None:
    """Send signals to processes, some of which may have ended."""
    for process in processes:
        for number in numbers:
            with suppress(ProcessLookupError, PermissionError):  # one that has become somebody else ends as it likes
                os.kill(process, number)


def has_no_children() -> bool:
    """Return whether this process has no children any more, after those that have ended were waited for."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return False
    return True
