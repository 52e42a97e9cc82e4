# SPDX-License-Identifier: MIT
"""The executor of this machine: each trial is a process of its own."""

import os
from dataclasses import dataclass

from stress.model.progress import ProgressCallback
from stress.model.suite import Fingerprint
from stress.run import process
from stress.run.process import CellProcess, CellResult
from stress.suite.executor.base import Job

HERE = "local"


@dataclass(frozen=True)
class LocalHandle:
    """A trial that was submitted to this machine."""

    running: CellProcess

    def fetch(self, notify: ProgressCallback) -> CellResult:
        """Wait until it ends."""
        return self.running.wait(notify)

    def cancel(self) -> None:
        """End it."""
        self.running.stop()


class Local:
    """Runs trials on this machine, one after the other; those that do not measure in parallel, one per CPU."""

    @property
    def hosts(self) -> list[str]:
        """This machine."""
        return [HERE]

    @property
    def parallel_trials(self) -> int:
        """One trial per CPU."""
        return len(os.sched_getaffinity(0))

    def fingerprint(self, host: str) -> Fingerprint:
        """Ask this machine what it is."""
        assert host == HERE
        return process.request_fingerprint()

    def submit(self, job: Job, host: str) -> LocalHandle:
        """Start a trial."""
        assert host == HERE
        return LocalHandle(CellProcess(job.plan, job.folder, process.trial_options(job.settle_s), job.limit_s))
