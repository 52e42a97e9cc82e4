# SPDX-License-Identifier: MIT
"""An executor: whatever carries ``connstorm run-cell`` to a host and brings the run folder back."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from stress.model.arm import SuiteArm
from stress.model.errors import INTERRUPTED, FaultError, LabError, NotApplicableError, UsageError
from stress.model.kernel import HOST
from stress.model.plan import Plan
from stress.model.progress import ProgressCallback
from stress.model.suite import Fingerprint
from stress.run.process import CellResult
from stress.run.protocol import Failed

OF_A_TRIAL = tuple(kind.__name__ for kind in (LabError, UsageError, NotApplicableError, FaultError))


@dataclass(frozen=True)
class Job:
    """One trial to be run.

    Attributes:
        plan: what to do.
        folder: where its run folder will be.
        settle_s: how long to wait, at most, for a quiet machine before it.
        limit_s: how long it may take.
        kernel: which kernel to boot for it; all executors can run the kernel that is running.
        set_host: whether a plan for the host's own network stack may change settings there.
        watch: called with how far a long storm is, where the executor can see that; by another thread.
        arm: whose server it storms, or whose connstorm runs it; None: a suite without arms.
        profile_hz: samples a second of a profiler; None for a trial, which runs without one.
    """

    plan: Plan
    folder: Path
    settle_s: float
    limit_s: float
    kernel: str = HOST
    set_host: bool = True
    watch: ProgressCallback | None = None
    arm: SuiteArm | None = None
    profile_hz: int | None = None


class Handle(Protocol):
    """A trial that was submitted."""

    def fetch(self, notify: ProgressCallback) -> CellResult:
        """Wait until it ends; its run folder is then in the job's folder.

        A trial that fails, or whose host is lost, is a result with a failure, not an exception.
        """

    def cancel(self) -> None:
        """End it, and wait until nothing of it runs or writes any more. It may have ended already."""


class Executor(Protocol):
    """Something that runs trials. One host runs one trial at a time, except for those that do not measure.

    The order of calls:

    1. ``hosts``, in whose order blocks are dealt out.
    2. ``fingerprint(host)`` of every host, once, before anything is submitted to any of them. A host that does not
       answer or speaks another protocol raises LabError here. An executor may remember the fingerprint: a remote host
       compares it with its own before and after each trial.
    3. ``submit(job, host)``, from one thread. It returns at once. There are never more trials submitted to one host and
       not yet fetched than ``parallel_trials``, and more than one only of trials that do not measure.
    4. For each handle ``fetch`` once, in a thread of its own. When the suite is interrupted, ``cancel`` is called from
       another thread while ``fetch`` waits, and ``fetch`` must then return.

    Nothing closes an executor; what it holds ends with the process.
    """

    @property
    def hosts(self) -> list[str]:
        """Names of the hosts."""

    @property
    def parallel_trials(self) -> int:
        """How many trials that do not measure a host may run at once."""

    def fingerprint(self, host: str) -> Fingerprint:
        """Ask a host what it is.

        Raises:
            LabError: it does not answer, or speaks another protocol.
        """

    def submit(self, job: Job, host: str) -> Handle:
        """Start a trial on a host that was asked for its fingerprint."""


@runtime_checkable
class BootingExecutor(Executor, Protocol):
    """An executor that can boot kernels; each is asked for its fingerprint before a job names it."""

    def fingerprint_kernel(self, name: str, notify: ProgressCallback) -> Fingerprint | None:
        """Boot a kernel and ask it what it is; return None when it does not boot, which its trials will say."""


@runtime_checkable
class LinkedExecutor(Executor, Protocol):
    """An executor whose trials may storm a host across a link."""

    def fingerprint_peer(self, name: str) -> Fingerprint:
        """Ask a host across a link what it is.

        Raises:
            LabError: it does not answer, or speaks another protocol.
        """


@runtime_checkable
class ArmedExecutor(Executor, Protocol):
    """An executor whose jobs may have an arm."""

    @property
    def runs_arms(self) -> bool:
        """Whether it is such a one."""


def failure_elsewhere(failure: Failed) -> Failed:
    """Return a failure that another host tells: it is one of that trial, whatever it calls itself.

    A full disk or an interrupt here would end the whole suite.
    """
    if failure.kind in OF_A_TRIAL and failure.exit_code != INTERRUPTED:
        return failure
    return Failed(failure.text, LabError.exit_code)


def failed_trial(text: str) -> CellResult:
    """Return the result of a trial that failed for a reason, which is a sentence."""
    return CellResult(None, Failed(text, LabError.exit_code), None)
