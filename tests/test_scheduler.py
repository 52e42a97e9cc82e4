# SPDX-License-Identifier: MIT
"""The scheduler against an executor without processes: its order, and what it makes of trials that end badly."""

import json
import threading

import pytest
from fake_executor import CUT_SHORT, LOST, FakeExecutor

from stress.model.errors import INTERRUPTED, NotApplicableError, StoreError
from stress.model.suite import Status
from stress.run.protocol import Failed
from stress.store import suite_folder
from stress.store.overview import read_suite_overview
from stress.store.runs import read_observations
from stress.suite import manifest, order, runner
from stress.suite.config.load import build_suite
from stress.suite.scheduler import Scheduler

DOCUMENT = {"name": "small", "trials": 2, "warmup": 0, "scenario": [{"name": "clean"}, {"name": "closewait"}]}


class Recorder:
    """An observer that remembers."""

    def __init__(self):
        self.begun, self.profiled, self.ended_trials, self.stages, self.told = [], [], [], [], set()

    def stage(self, text):
        self.stages.append(text)

    def storms(self, trial, text):
        assert trial.number in self.begun
        self.told.add(text)

    def begins(self, trial):
        self.begun.append(trial.number)

    def profiles(self, trial):
        assert trial.number in self.begun
        self.profiled.append(trial.number)

    def ended(self, record, summary):
        assert (summary is None) == (record.status is not Status.DONE)
        self.ended_trials.append((record.trial.number, record.status))


def a_suite(results, executor, **changes):
    file = manifest.begin_suite(build_suite(DOCUMENT | changes), executor, host=False)
    return suite_folder.create(file, None, results)


def run(path, executor, *, retry_failed=False):
    observer = Recorder()
    scheduler = Scheduler(path, suite_folder.read(path), executor, retry_failed=retry_failed)
    scheduler.run(observer)
    return observer, scheduler


def statuses(path):
    return {number: record.status for number, record in suite_folder.read_records(path).items()}


def test_hosts_are_asked_what_they_are_before_anything_is_submitted(tmp_path):
    executor = FakeExecutor(["lab1", "lab2"])
    run(a_suite(tmp_path, executor), executor)
    asked = [call[0] for call in executor.calls]
    assert asked[:2] == ["fingerprint", "fingerprint"]
    assert set(asked[2:]) == {"submit"}


@pytest.mark.parametrize(
    ("hosts", "told"), [(["lab1"], {"half of it"}), (["lab1", "lab2"], {"on lab1, half of it", "on lab2, half of it"})]
)
def test_how_far_a_storm_is_says_where_if_there_are_several_hosts(hosts, told, tmp_path):
    executor = FakeExecutor(hosts)
    observer, _ = run(a_suite(tmp_path, executor), executor)
    assert observer.told == told


def test_trials_run_in_their_order_and_each_is_recorded(tmp_path):
    executor = FakeExecutor()
    path = a_suite(tmp_path, executor)
    observer, scheduler = run(path, executor)
    file = suite_folder.read(path)
    ordered = [trial.number for trial in order.ordered_trials(file.suite, file.cells, 1)]
    assert observer.begun == [number for number, _ in observer.ended_trials] == ordered
    assert statuses(path) == dict.fromkeys(ordered, Status.DONE)
    assert scheduler.missing == []
    seeds = [trial.seed for trial in order.ordered_trials(file.suite, file.cells, 1)]
    assert [call[2] for call in executor.calls if call[0] == "submit"] == seeds


def test_a_trial_that_fails_is_recorded_with_its_reason_and_the_rest_goes_on(tmp_path):
    executor = FakeExecutor(script=[None, LOST])
    path = a_suite(tmp_path, executor)
    run(path, executor)
    records = suite_folder.read_records(path)
    failed = [record for record in records.values() if record.status is Status.FAILED]
    assert [(record.reason, record.run) for record in failed] == [("The host was lost.", None)]
    assert len(records) == 4


def test_what_failed_is_run_again_only_when_that_is_asked_for(tmp_path):
    executor = FakeExecutor(script=[LOST])
    path = a_suite(tmp_path, executor)
    run(path, executor)
    again, _ = run(path, FakeExecutor())
    assert again.begun == []
    again, _ = run(path, FakeExecutor(), retry_failed=True)
    assert len(again.begun) == 1
    assert set(statuses(path).values()) == {Status.DONE}


def test_a_cell_that_a_host_cannot_run_is_not_tried_there_again(tmp_path):
    executor = FakeExecutor(script=[Failed("no such setting", 2, NotApplicableError.__name__)])
    path = a_suite(tmp_path, executor)
    run(path, executor)
    assert sorted(statuses(path).values()) == [Status.DONE, Status.DONE, Status.NOT_APPLICABLE, Status.NOT_APPLICABLE]
    assert len([call for call in executor.calls if call[0] == "submit"]) == 3


def test_a_full_disk_ends_the_suite_and_the_trial_stays_missing(tmp_path):
    executor = FakeExecutor(script=[None, Failed("No space left on device.", 3, StoreError.__name__)])
    path = a_suite(tmp_path, executor)
    with pytest.raises(StoreError, match="continue with --resume"):
        run(path, executor)
    assert list(statuses(path).values()) == [Status.DONE]
    again, _ = run(path, FakeExecutor())
    assert len(again.begun) == 3


def test_an_interrupted_trial_interrupts_the_suite_and_is_not_recorded(tmp_path):
    executor = FakeExecutor(script=[None, Failed("interrupted", INTERRUPTED)])
    path = a_suite(tmp_path, executor)
    with pytest.raises(KeyboardInterrupt):
        run(path, executor)
    assert len(statuses(path)) == 1


def test_a_run_that_ended_early_is_interrupted_and_run_again(tmp_path):
    """As that of a trial whose serving host was lost in the storm: the suite goes on, and --resume repeats it."""
    executor = FakeExecutor(script=[None, CUT_SHORT])
    path = a_suite(tmp_path, executor)
    observer, scheduler = run(path, executor)
    assert [status for _, status in observer.ended_trials] == [
        Status.DONE,
        Status.INTERRUPTED,
        Status.DONE,
        Status.DONE,
    ]
    assert len(scheduler.missing) == 1
    record = suite_folder.read_records(path)[observer.ended_trials[1][0]]
    assert record.reason == "it was interrupted after 8 attempts"
    again, _ = run(path, FakeExecutor())
    assert again.begun == [record.trial.number]
    assert set(statuses(path).values()) == {Status.DONE}


def test_an_old_suite_that_calls_an_interrupted_trial_done_is_read_as_what_it_is(tmp_path):
    executor = FakeExecutor()
    path = a_suite(tmp_path, executor)
    run(path, executor)
    file = next(path.glob("trials/0002-*/*/run.json"))
    file.write_text(file.read_text().replace('"interrupted": false', '"interrupted": true'))
    assert json.loads((file.parents[1] / "trial.json").read_text())["status"] == "done"
    assert statuses(path)[2] is Status.INTERRUPTED
    assert [(len(cell.done), len(cell.interrupted)) for cell in runner.read_cells(path)].count((1, 1)) == 1
    assert read_suite_overview(path).interrupted == 1
    assert len(list(read_observations(path, ""))) == 3
    again, _ = run(path, FakeExecutor())
    assert again.begun == [2]


def test_no_host_waits_for_another(tmp_path):
    """The first host's first trial is held until the second has ended all of its own."""
    executor = FakeExecutor(["lab1", "lab2"], script=["held"])
    path = a_suite(tmp_path, executor)
    ended = []

    class Releasing(Recorder):
        def ended(self, record, summary):
            super().ended(record, summary)
            ended.append(record.host)
            if ended.count("lab2") == 4:
                executor.held["held"].set()

    Scheduler(path, suite_folder.read(path), executor).run(Releasing())
    assert ended == ["lab2"] * 4 + ["lab1"] * 4


def test_trials_that_do_not_measure_run_in_parallel_within_a_block(tmp_path):
    executor = FakeExecutor(script=["first", "second"], parallel_trials=2)
    scenarios = [{"name": "clean", "measures": False}, {"name": "closewait", "measures": False}]
    path = a_suite(tmp_path, executor, scenario=scenarios, trials=1)
    thread = threading.Thread(target=run, args=(path, executor))
    thread.start()
    try:
        while len(executor.held) < 2 and thread.is_alive():
            thread.join(0.01)
        assert set(executor.held) == {"first", "second"}
    finally:
        for released in executor.held.values():
            released.set()
        thread.join(20)
    assert set(statuses(path).values()) == {Status.DONE}


def test_warm_up_trials_leave_nothing(tmp_path):
    executor = FakeExecutor(script=[LOST])
    path = a_suite(tmp_path, executor, warmup=2)
    observer, _ = run(path, executor)
    assert len(observer.stages) == 2
    assert len([call for call in executor.calls if call[0] == "submit"]) == 6
    assert set(statuses(path).values()) == {Status.DONE}
    assert not list(path.glob(".*"))


def test_what_is_left_when_a_suite_ends_is_cancelled(tmp_path):
    executor = FakeExecutor(["lab1", "lab2"], script=["held", Failed("interrupted", INTERRUPTED)])
    path = a_suite(tmp_path, executor)
    with pytest.raises(KeyboardInterrupt):
        run(path, executor)
    assert [handle.cancelled for handle in executor.handles] == [True, False]
    assert statuses(path) == {}
