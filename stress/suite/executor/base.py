# SPDX-License-Identifier: MIT
"""An executor: whatever carries ``connstorm run-cell`` to a host and brings the run folder back."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stress.model.errors import LabError
from stress.model.kernel import HOST
from stress.model.plan import Plan
from stress.model.progress import Notify
from stress.model.suite import Fingerprint
from stress.run.process import CellResult
from stress.run.protocol import Failed


@dataclass(frozen=True)
class Job:
    """One trial to be carried out.

    Attributes:
        plan: what to do.
        folder: where its run folder will be.
        settle_s: how long to wait, at most, for a quiet machine before.
        limit_s: how long it may take.
        kernel: which to boot for it; of the running one all executors know.
    """

    plan: Plan
    folder: Path
    settle_s: float
    limit_s: float
    kernel: str = HOST


class Handle(Protocol):
    """A trial under way."""

    def fetch(self, notify: Notify) -> CellResult:
        """Wait until it is over; its run folder is then in the job's folder."""

    def cancel(self) -> None:
        """End it, and wait until nothing of it runs or writes any more."""


class Executor(Protocol):
    """Something that carries trials out. One host takes one trial at a time, but for those that do not measure."""

    @property
    def hosts(self) -> list[str]:
        """Names of the hosts."""

    @property
    def parallel_trials(self) -> int:
        """How many trials that do not measure a host may run beside each other."""

    def fingerprint(self, host: str) -> Fingerprint:
        """Ask a host what it is.

        Raises:
            LabError: it does not answer.
        """

    def submit(self, job: Job, host: str) -> Handle:
        """Start a trial on a host."""


def failed_trial(text: str) -> CellResult:
    """Return the result of a trial that failed for a reason, which is a sentence."""
    return CellResult(None, Failed(text, LabError.exit_code), None)
