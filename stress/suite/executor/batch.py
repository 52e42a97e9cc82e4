# SPDX-License-Identifier: MIT
"""A batch: trials that one host runs at the same time, often just one, and what has become of them."""

from dataclasses import dataclass, field
from datetime import datetime

from stress.model.errors import INTERRUPTED, NotApplicableError, StoreError
from stress.model.suite import Status, Trial
from stress.run.process import CellResult
from stress.store.interrupted import explain_interruption
from stress.store.trial_profile import profile_failure


@dataclass
class Batch:
    """Trials that one host runs in parallel, often just one.

    Attributes:
        host: its name.
        trials: in their order.
        reasons: by number of the trial, why it is not started, or None.
        started: when the trials were started.
        ended: by number of the trial, the results of those that have ended.
        profiling: the numbers of those that have ended, and whose plan now runs under a profiler.
        profiles: by number of the trial, the results of these runs that have ended.
    """

    host: str
    trials: list[Trial]
    reasons: dict[int, str | None]
    started: datetime
    ended: dict[int, CellResult] = field(default_factory=dict)
    profiling: set[int] = field(default_factory=set)
    profiles: dict[int, CellResult] = field(default_factory=dict)

    @property
    def submitted(self) -> list[Trial]:
        """The trials that are started."""
        return [trial for trial in self.trials if self.reasons[trial.number] is None]

    @property
    def is_over(self) -> bool:
        """Whether nothing of it runs."""
        return len(self.ended) == len(self.submitted) and not self.profiling


def profile_name(result: CellResult | None) -> dict[str, str]:
    """Return where the profile of a trial is, or why there is none, as a trial is recorded; nothing where none was run.

    Raises:
        StoreError, KeyboardInterrupt: as ``trial_status``.
    """
    if result is None:
        return {}
    status, reason = trial_status(result)
    if status is Status.DONE and result.path is not None:
        failure = profile_failure(result.path)
        return {"profile": result.path.name, **({"unprofiled": failure} if failure else {})}
    return {"unprofiled": reason or status.value}


def trial_status(result: CellResult) -> tuple[Status, str | None]:
    """Return the status of a trial that has ended, and the reason when it is not done.

    Raises:
        StoreError: its results could not be written. The suite must stop, and the trial is not recorded.
        KeyboardInterrupt: the trial itself was interrupted.
    """
    if result.failure is None:
        cut_short = explain_interruption(result.path) if result.path else None
        return (Status.DONE, None) if cut_short is None else (Status.INTERRUPTED, cut_short)
    if result.failure.kind == StoreError.__name__:
        raise StoreError(f"{result.failure.text} Free some space, and continue with --resume.")
    if result.failure.exit_code == INTERRUPTED:
        raise KeyboardInterrupt
    if result.failure.kind == NotApplicableError.__name__:
        return Status.NOT_APPLICABLE, result.failure.text
    return Status.FAILED, result.failure.text
