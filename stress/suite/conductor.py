# SPDX-License-Identifier: MIT
"""The conductor: runs the trials of a suite that are missing, in their order, and keeps how each ended."""

import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec

from stress.model.errors import INTERRUPTED, NotApplicableError, StoreError
from stress.model.plan import Plan
from stress.model.suite import Status, Trial, TrialRecord
from stress.model.summary import Summary
from stress.store import folder, suite_folder
from stress.store.suite_folder import SuiteFile
from stress.suite import order
from stress.suite.applicable import lacking
from stress.suite.executor import Executor, Handle, Job
from stress.suite.process import Ended


class Observer(Protocol):
    """Who is told how a suite gets on; never while a trial that measures is storming."""

    def opens(self, path: Path, missing: Sequence[Trial]) -> None:
        """A suite begins, or goes on, in its folder; these trials are missing."""

    def stage(self, text: str) -> None:
        """Something other than a trial begins."""

    def begins(self, trial: Trial) -> None:
        """A trial begins."""

    def ended(self, record: TrialRecord, summary: Summary | None) -> None:
        """A trial has ended."""


class Conductor:
    """A suite under way.

    Attributes:
        path: its folder.
        file: what is to be done.
        executor: what carries the trials out.
        records: how each trial ended that has, by its number.
        missing: the trials that are still to be run, in their order.
    """

    def __init__(self, path: Path, file: SuiteFile, executor: Executor, *, retry_failed: bool = False) -> None:
        """Look what is missing.

        Raises:
            UsageError: a trial's record is damaged.
        """
        self.path = path
        self.file = file
        self.executor = executor
        self.records = suite_folder.records(path)
        self.missing = [
            trial for trial in order.trials(file.suite, file.cells) if self.is_missing(trial, retry_failed=retry_failed)
        ]

    def run(self, observer: Observer) -> None:
        """Run what is missing; a trial that fails is recorded with its reason and does not stop the rest.

        Raises:
            StoreError: results cannot be written; all trials that were recorded stay.
            KeyboardInterrupt: the trials under way are thrown away, the others stay.
        """
        try:
            if self.missing:
                self.warm_up(observer)
            while self.missing:
                batch = self.batch()
                self.run_batch(batch, observer)
                del self.missing[: len(batch)]
        finally:
            suite_folder.write_index(self.path, self.records)

    def is_missing(self, trial: Trial, *, retry_failed: bool) -> bool:
        """Return whether a trial is still to be run."""
        record = self.records.get(trial.number)
        return record is None or (retry_failed and record.status is Status.FAILED)

    def batch(self) -> list[Trial]:
        """Return the trials that come next: one or, of those that do not measure, as many as may run together."""
        first = self.missing[0]
        if self.file.cell(first.cell).measures:
            return [first]
        several = []
        for trial in self.missing[: self.executor.beside]:
            if trial.block != first.block or self.file.cell(trial.cell).measures:
                break
            several.append(trial)
        return several

    def warm_up(self, observer: Observer) -> None:
        """Run trials that are thrown away: the first ones meet cold caches, and memory that no one has touched."""
        for number in range(self.file.suite.warmup):
            observer.stage(f"warm-up {number + 1} of {self.file.suite.warmup}, thrown away")
            with tempfile.TemporaryDirectory(prefix=".warm-up-", dir=self.path) as away:
                fetch([self.submit(self.missing[0], Path(away))])

    def run_batch(self, batch: Sequence[Trial], observer: Observer) -> None:
        """Run trials beside each other, often just one, and record how each ended."""
        reasons = {trial.number: self.reason_against(trial) for trial in batch}
        for trial in batch:
            observer.begins(trial)
        started = datetime.now(UTC)
        going = [trial for trial in batch if reasons[trial.number] is None]
        ended = iter(fetch([self.submit(trial, suite_folder.begin(self.path, trial)) for trial in going]))
        took_s = (datetime.now(UTC) - started).total_seconds()
        for trial in batch:
            reason = reasons[trial.number]
            if reason is None:
                end = next(ended)
                status, reason = judge(end)
            else:
                end = Ended(None, None, None)
                status = Status.NOT_APPLICABLE
                suite_folder.begin(self.path, trial)
            record = TrialRecord(
                trial=trial,
                status=status,
                reason=reason,
                run=end.path.name if end.path else None,
                host=self.executor.hosts[0],
                settle=end.settle,
                started_utc=started.isoformat(timespec="milliseconds"),
                took_s=took_s if trial in going else 0.0,
            )
            suite_folder.finish(self.path, record)
            self.records[trial.number] = record
            observer.ended(record, folder.read_summary(end.path) if end.path else None)

    def reason_against(self, trial: Trial) -> str | None:
        """Return why a trial is not worth starting: its cell cannot be on this host, as is known or was found."""
        for record in self.records.values():
            if record.trial.cell == trial.cell and record.status is Status.NOT_APPLICABLE:
                return record.reason
        attestation = self.file.attestations[self.executor.hosts[0]]
        return lacking(self.file.cell(trial.cell), attestation, host=self.file.host)

    def submit(self, trial: Trial, home: Path) -> Handle:
        """Start a trial."""
        suite = self.file.suite
        plan = with_seed(self.file.cell(trial.cell).plan, trial.seed)
        return self.executor.submit(Job(plan, home, suite.settle_s, suite.limit_s), self.executor.hosts[0])


def with_seed(plan: Plan, seed: int) -> Plan:
    """Return a plan with another seed."""
    return msgspec.structs.replace(plan, seed=seed)


def fetch(handles: Sequence[Handle]) -> list[Ended]:
    """Wait for trials; if that is interrupted, end those that are left: no trial outlives its suite."""
    ended: list[Ended] = []
    try:
        for handle in handles:
            ended.append(handle.fetch(lambda _: None))  # noqa: PERF401  # what is left must be known when one raises
    finally:
        for handle in handles[len(ended) :]:
            handle.cancel()
    return ended


def judge(end: Ended) -> tuple[Status, str | None]:
    """Return how a trial ended, and the reason when it is not done.

    Raises:
        StoreError: its results could not be written: the suite must stop, and nothing is recorded.
        KeyboardInterrupt: it was interrupted itself.
    """
    if end.failure is None:
        return Status.DONE, None
    if end.failure.kind == StoreError.__name__:
        raise StoreError(f"{end.failure.text} Make room, and go on with --resume.")
    if end.failure.exit_code == INTERRUPTED:
        raise KeyboardInterrupt
    if end.failure.kind == NotApplicableError.__name__:
        return Status.NOT_APPLICABLE, end.failure.text
    return Status.FAILED, end.failure.text


def clear_leftovers(path: Path) -> None:
    """Remove the warm-up that a killed suite has left behind."""
    for left in path.glob(".warm-up-*"):
        shutil.rmtree(left, ignore_errors=True)
