# SPDX-License-Identifier: MIT
"""A trial request: a trial as it is sent to another host, and run there by ``run-cell``.

Before and after the trial the host takes its fingerprint again. A trial is invalid if the host has changed since the
suite began.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from stress.lab import lock
from stress.model.errors import ConnstormError, LabError
from stress.model.plan import Plan
from stress.model.progress import ProgressCallback
from stress.model.suite import Fingerprint
from stress.run import storm_watch  # noqa: F401  # loaded when a storm begins, it would disturb that
from stress.run.fingerprint import fingerprint_differences, take_fingerprint
from stress.run.process import CellProcess, CellResult, trial_options
from stress.run.protocol import PROTOCOL, Failed
from stress.suite.executor.base import Job

LOCK = "trial"  # not the lock of suites: the scheduler may run on one of the hosts


class TrialRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One trial for another host.

    Attributes:
        protocol: number of the protocol that the sender speaks.
        plan: what to do.
        settle_s: how long to wait, at most, for a quiet machine before it.
        limit_s: how long it may take; it waits as long for another trial on the host to end.
        fingerprint: that the host must have, without its settings.
    """

    protocol: int
    plan: Plan
    settle_s: float
    limit_s: float
    fingerprint: Fingerprint


def trial_request(job: Job, fingerprint: Fingerprint) -> TrialRequest:
    """Return the request for a job, to be sent to a host with a fingerprint."""
    known = msgspec.structs.replace(fingerprint, settings=[], host_settings=[])
    return TrialRequest(protocol=PROTOCOL, plan=job.plan, settle_s=job.settle_s, limit_s=job.limit_s, fingerprint=known)


def run_request(
    request: TrialRequest,
    folder: Path,
    notify: ProgressCallback,
    watch: ProgressCallback,
    started: Callable[[CellProcess], None],
) -> CellResult:
    """Run a trial in a process of its own on this host, whose fingerprint must not have changed before and after.

    Args:
        request: the trial.
        folder: where its run folder will be.
        notify: progress callback.
        watch: called by another thread every few seconds of a long storm, with how far it is.
        started: called with the process, so that it can be ended early.

    Returns:
        Its result, which is a failure if this host has changed.
    """
    try:
        with lock.hold_lock(LOCK, request.limit_s):  # a trial whose connection was lost may still be ending
            require_unchanged(request.fingerprint, "before")
            running = CellProcess(request.plan, folder, trial_options(request.settle_s), request.limit_s)
            try:
                started(running)
                ended = running.wait(notify, watch)
            finally:
                running.stop()
                running.reap()
            require_unchanged(request.fingerprint, "after")
    except ConnstormError as error:
        return CellResult(None, Failed(str(error), error.exit_code, type(error).__name__), None)
    return ended


def require_unchanged(was: Fingerprint, when: str) -> None:
    """Raise LabError if this host has changed in anything that trials depend on; ``when`` is a preposition."""
    for what, before, now in fingerprint_differences(was, take_fingerprint([], [])):
        raise LabError(
            f"This host has another {what} {when} the trial than when the suite began: {before}, and now it is {now}; "
            "the trial is invalid."
        )
