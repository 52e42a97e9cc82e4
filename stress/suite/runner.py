# SPDX-License-Identifier: MIT
"""Runs a suite, new or resumed, in its folder; one suite at a time on this machine.

A program makes a suite and runs it as the command does::

    from pathlib import Path
    from stress.suite import runner
    from stress.suite.config import load
    from stress.suite.executor.local import Local

    suite = load.build_suite({"scenario": [{"name": "closewait"}], "matrix": {"net.ipv4.tcp_timestamps": [1, 0]}})
    path = runner.run(suite, Path("results"), Local())
    for cell in runner.read_cells(path):
        ...
"""

from collections.abc import Sequence
from pathlib import Path

from stress.analysis.statistics.trials import CellTrials
from stress.lab import lock
from stress.model.suite import Suite, Trial, TrialRecord
from stress.model.summary import Summary
from stress.store import abandoned, run_folder, suite_folder
from stress.suite import cell_results, kernels, manifest, matrix
from stress.suite.executor.base import Executor
from stress.suite.scheduler import Observer, Scheduler


class SilentObserver:
    """An observer that does nothing."""

    def opens(self, path: Path, missing: Sequence[Trial]) -> None:
        """A suite begins, or is resumed."""

    def stage(self, text: str) -> None:
        """Something other than a trial begins."""

    def begins(self, trial: Trial) -> None:
        """A trial begins."""

    def storms(self, trial: Trial, text: str) -> None:
        """A trial storms for long."""

    def profiles(self, trial: Trial) -> None:
        """A trial has ended, and its plan begins once more under a profiler."""

    def ended(self, record: TrialRecord, summary: Summary | None) -> None:
        """A trial has ended."""


def run(
    suite: Suite,
    results: Path,
    executor: Executor,
    observer: Observer | None = None,
    *,
    text: str | None = None,
    host: bool = False,
    resume: Path | None = None,
    retry_failed: bool = False,
) -> Path:
    """Run the trials of a suite that are missing; return its folder.

    Args:
        suite: what is to be run.
        results: where a new folder is made.
        executor: what runs the trials.
        observer: its methods are called as the suite progresses.
        text: content of the suite's file, which is copied into the folder.
        host: run on the host's own network stack, and change its settings during each trial.
        resume: the folder to resume, in place of a new one.
        retry_failed: with ``resume``, run failed trials again.

    Raises:
        UsageError: the suite is invalid, asks for what is not permitted here, or is not that of the folder; or another
            suite is running.
        LabError: a host does not answer, or speaks another protocol.
        StoreError: results cannot be written; trials that were recorded stay.
        KeyboardInterrupt: trials that were recorded stay.
    """
    observer = observer or SilentObserver()
    executor = kernels.executor_for_cells(executor, matrix.build_cells(suite, host=host))
    with lock.hold_lock():
        if resume is None:
            run_folder.check_writable(results)
            file = manifest.begin_suite(suite, executor, observer.stage, host=host)
            path = suite_folder.create(file, text, results)
        else:
            path = resume
        with lock.hold_folder(path):
            if resume is not None:
                abandoned.remove_abandoned(path)
                resumed = manifest.resume_suite(path, suite, executor, observer.stage, host=host)
                suite_folder.write_manifest(path, resumed)
            scheduler = Scheduler(path, suite_folder.read(path), executor, retry_failed=retry_failed)
            observer.opens(path, scheduler.missing)
            scheduler.run(observer)
    return path


def read_cells(path: Path) -> list[CellTrials]:
    """Return the trials of each cell of a suite folder.

    Raises:
        UsageError: it is no suite folder, or damaged.
    """
    return cell_results.read_cell_trials(path, suite_folder.read(path))
