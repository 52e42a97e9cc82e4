# SPDX-License-Identifier: MIT
"""The scheduler: runs the missing trials of a suite in their order, and records how each ended."""

import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec

from stress.model.plan import Plan
from stress.model.profile import RATE_HZ
from stress.model.progress import ProgressCallback
from stress.model.suite import Status, Trial, TrialRecord
from stress.model.summary import Summary
from stress.run.process import CellResult
from stress.store import run_folder, suite_folder, trial_profile
from stress.store.abandoned import WARM_UP
from stress.store.interrupted import explain_interruption
from stress.store.suite_folder import Manifest
from stress.suite import order
from stress.suite.applicability import unsupported_reason
from stress.suite.executor.base import Executor, Handle, Job
from stress.suite.executor.batch import Batch, profile_name, trial_status
from stress.suite.executor.pending import Pending


class Observer(Protocol):
    """Progress callbacks of a suite. None but ``storms`` is called while a trial that measures is storming."""

    def opens(self, path: Path, missing: Sequence[Trial]) -> None:
        """A suite begins, or is resumed, in its folder; these trials are missing."""

    def stage(self, text: str) -> None:
        """Something other than a trial begins."""

    def begins(self, trial: Trial) -> None:
        """A trial begins."""

    def storms(self, trial: Trial, text: str) -> None:
        """A trial storms for long, and is so far; it has ended where the text is empty. Called by another thread."""

    def profiles(self, trial: Trial) -> None:
        """A trial has ended, and its plan begins once more under a profiler."""

    def ended(self, record: TrialRecord, summary: Summary | None) -> None:
        """A trial has ended, and its profile too, if it has one."""


class Scheduler:
    """A suite that is being run.

    Attributes:
        path: its folder.
        file: its manifest.
        executor: what runs the trials.
        records: the records of trials that have ended, by number.
        missing: the trials that are still to be run, in their order.
    """

    def __init__(self, path: Path, file: Manifest, executor: Executor, *, retry_failed: bool = False) -> None:
        """Determine which trials are missing.

        Raises:
            UsageError: a trial's record is damaged.
        """
        self.path = path
        self.file = file
        self.executor = executor
        self.records = suite_folder.read_records(path)
        self.missing = [
            trial
            for trial in order.ordered_trials(file.suite, file.cells, len(file.hosts))
            if self.is_missing(trial, retry_failed=retry_failed)
        ]

    def run(self, observer: Observer) -> None:
        """Run what is missing; a trial that fails is recorded with its reason and does not stop the rest.

        Every host runs its own blocks in their order, and no host waits for another.

        Raises:
            StoreError: results cannot be written; all trials that were recorded stay.
            KeyboardInterrupt: running trials are discarded, those that were recorded stay.
        """
        left = {host: [trial for trial in self.missing if self.file.host_of(trial) == host] for host in self.file.hosts}
        left = {host: trials for host, trials in left.items() if trials}
        try:
            self.warm_up(left, observer)
            with Pending[tuple[str, int]]() as pending:
                batches = {host: self.start(host, trials, pending, observer) for host, trials in left.items()}
                while batches:
                    host = self.wait_for_host(batches, pending, observer)
                    if host is None:
                        continue
                    batch = batches.pop(host)
                    self.record(batch, observer)
                    del left[host][: len(batch.trials)]
                    if left[host]:
                        batches[host] = self.start(host, left[host], pending, observer)
        finally:
            self.missing = [trial for trial in self.missing if self.is_missing(trial, retry_failed=False)]
            suite_folder.write_index(self.path, self.records)

    def is_missing(self, trial: Trial, *, retry_failed: bool) -> bool:
        """Return whether a trial is still to be run."""
        record = self.records.get(trial.number)
        to_repeat = {Status.INTERRUPTED, *([Status.FAILED] if retry_failed else [])}
        return record is None or record.status in to_repeat

    def next_trials(self, left: Sequence[Trial]) -> list[Trial]:
        """Return what a host runs next: one trial, or as many that do not measure as may run in parallel."""
        first = left[0]
        if self.file.cell(first.cell).measures:
            return [first]
        parallel = []
        for trial in left[: self.executor.parallel_trials]:
            if trial.block != first.block or self.file.cell(trial.cell).measures:
                break
            parallel.append(trial)
        return parallel

    def warm_up(self, left: Mapping[str, Sequence[Trial]], observer: Observer) -> None:
        """Run trials that are discarded: the first ones meet cold caches, and memory that has not been touched."""
        for number in range(self.file.suite.warmup if left else 0):
            observer.stage(f"warm-up {number + 1} of {self.file.suite.warmup}, thrown away")
            folder = tempfile.TemporaryDirectory(prefix=WARM_UP, dir=self.path)
            with folder as away, Pending[str]() as pending:
                for host, trials in left.items():
                    pending.add(host, self.submit(trials[0], Path(away), host, None))
                for _ in left:
                    pending.next()

    def start(self, host: str, left: Sequence[Trial], pending: Pending[tuple[str, int]], observer: Observer) -> Batch:
        """Start what a host runs next."""
        trials = self.next_trials(left)
        reasons = {trial.number: self.reason_against(trial, host) for trial in trials}
        for trial in trials:
            observer.begins(trial)
        batch = Batch(host, trials, reasons, datetime.now(UTC))
        for trial in batch.submitted:
            home = suite_folder.begin_trial(self.path, trial)
            watch = partial(self.tell_storm, observer, trial, host)
            pending.add((host, trial.number), self.submit(trial, home, host, watch))
        return batch

    def tell_storm(self, observer: Observer, trial: Trial, host: str, text: str) -> None:
        """Report how far the storm of a trial is, and where, if there are several hosts."""
        observer.storms(trial, f"on {host}, {text}" if text and len(self.file.hosts) > 1 else text)

    def wait_for_host(
        self, batches: Mapping[str, Batch], pending: Pending[tuple[str, int]], observer: Observer
    ) -> str | None:
        """Wait for one trial; return a host whose batch has ended, or None while its batch has trials that run.

        A trial whose cell is profiled is followed by a run of the same plan under a profiler, which is no trial.
        """
        for host, batch in batches.items():
            if batch.is_over:
                return host
        (host, number), ended = pending.next()
        batch = batches[host]
        if number in batch.profiling:
            batch.profiling.remove(number)
            batch.profiles[number] = ended
            return None
        batch.ended[number] = ended
        trial = next(trial for trial in batch.trials if trial.number == number)
        if self.file.cell(trial.cell).profile and ended.path is not None and explain_interruption(ended.path) is None:
            home = trial_profile.begin_profile(self.path, trial)
            observer.profiles(trial)
            watch = partial(self.tell_storm, observer, trial, host)
            pending.add((host, number), self.submit(trial, home, host, watch, profile_hz=RATE_HZ))
            batch.profiling.add(number)
        return None

    def record(self, batch: Batch, observer: Observer) -> None:
        """Record how each trial of a batch ended."""
        took_s = (datetime.now(UTC) - batch.started).total_seconds()
        for trial in batch.trials:
            reason = batch.reasons[trial.number]
            result = batch.ended.get(trial.number, CellResult(None, None, None))
            if reason is None:
                status, reason = trial_status(result)
                profiled = profile_name(batch.profiles.get(trial.number))
            else:
                status, profiled = Status.NOT_APPLICABLE, {}
                suite_folder.begin_trial(self.path, trial)
            record = TrialRecord(
                trial=trial,
                status=status,
                reason=reason,
                run=result.path.name if result.path else None,
                host=batch.host,
                settle=result.settle,
                started_utc=batch.started.isoformat(timespec="milliseconds"),
                took_s=took_s if trial.number in batch.ended else 0.0,
                **profiled,
            )
            suite_folder.finish_trial(self.path, record)
            self.records[trial.number] = record
            done = result.path if status is Status.DONE else None
            observer.ended(record, run_folder.read_summary(done) if done else None)

    def reason_against(self, trial: Trial, host: str) -> str | None:
        """Return why a trial is not started: its host cannot run its cell, by its fingerprint or an earlier trial."""
        for record in self.records.values():
            if (record.trial.cell, record.host, record.status) == (trial.cell, host, Status.NOT_APPLICABLE):
                return record.reason
        cell = self.file.cell(trial.cell)
        fingerprint = self.file.fingerprint(cell, host)
        return None if fingerprint is None else unsupported_reason(cell, fingerprint, host=self.file.host)

    def submit(
        self, trial: Trial, home: Path, host: str, watch: ProgressCallback | None, profile_hz: int | None = None
    ) -> Handle:
        """Start a trial; ``watch`` and ``profile_hz`` are as of its job."""
        suite, cell = self.file.suite, self.file.cell(trial.cell)
        plan = with_seed(cell.plan, trial.seed)
        # Settings of hosts that others use too are changed where --host says so.
        set_host = self.file.host or not plan.peers
        limits = (suite.settle_s, suite.limit_s)
        job = Job(plan, home, *limits, cell.kernel, set_host, watch, suite.find_arm(cell.arm), profile_hz)
        return self.executor.submit(job, host)


def with_seed(plan: Plan, seed: int) -> Plan:
    """Return a plan with another seed."""
    return msgspec.structs.replace(plan, seed=seed)
