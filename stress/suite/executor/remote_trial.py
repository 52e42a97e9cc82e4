# SPDX-License-Identifier: MIT
"""An errand: a trial as it is sent to another host, and carried out there by ``run-cell``, between two looks.

Before and after, the host says anew what it is. A trial of a host that is not what the suite began with is no data.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from stress.lab import lock
from stress.model.errors import ConnstormError, LabError
from stress.model.plan import Plan
from stress.model.progress import ProgressCallback
from stress.model.suite import Fingerprint
from stress.run.fingerprint import fingerprint_differences, take_fingerprint
from stress.run.process import CellProcess, CellResult, trial_options
from stress.run.protocol import PROTOCOL, Failed
from stress.suite.executor.base import Job

TURN = "trial"  # a lock of its own: the program that conducts may be on one of the hosts


class TrialRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One trial for another host.

    Attributes:
        protocol: number of the protocol that the sender speaks.
        plan: what to do.
        settle_s: how long to wait, at most, for a quiet machine before.
        limit_s: how long it may take; another trial there is waited for as long.
        fingerprint: what the host is to be, without its settings.
    """

    protocol: int
    plan: Plan
    settle_s: float
    limit_s: float
    fingerprint: Fingerprint


def trial_request(job: Job, fingerprint: Fingerprint) -> TrialRequest:
    """Return what to send to a host, which has said of itself what it is."""
    known = msgspec.structs.replace(fingerprint, settings=[], host_settings=[])
    return TrialRequest(protocol=PROTOCOL, plan=job.plan, settle_s=job.settle_s, limit_s=job.limit_s, fingerprint=known)


def run_request(
    task: TrialRequest, room: Path, notify: ProgressCallback, began: Callable[[CellProcess], None]
) -> CellResult:
    """Carry out a trial in a process of its own on this host, which must be what it was, before and after.

    Args:
        task: the trial.
        room: where its run folder will be.
        notify: is told of its stages.
        began: is given the process, so that it can be ended early.

    Returns:
        How it ended; a failure also when this host is not, or no longer, what it was.
    """
    try:
        with lock.hold_lock(TURN, task.limit_s):  # one that lost its connection may still be ending
            require_unchanged(task.fingerprint, "before")
            running = CellProcess(task.plan, room, trial_options(task.settle_s), task.limit_s)
            try:
                began(running)
                ended = running.wait(notify)
            finally:
                running.stop()
            require_unchanged(task.fingerprint, "after")
    except ConnstormError as error:
        return CellResult(None, Failed(str(error), error.exit_code, type(error).__name__), None)
    return ended


def require_unchanged(was: Fingerprint, when: str) -> None:
    """Raise LabError unless this host is what it was."""
    for what, before, now in fingerprint_differences(was, take_fingerprint([], None)):
        raise LabError(
            f"This host has another {what} {when} the trial than when the suite began: {before}, and now it is {now}; "
            "the trial is invalid."
        )
