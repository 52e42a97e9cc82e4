# SPDX-License-Identifier: MIT
"""Suites that are run, killed, resumed, copied, damaged and read, in any order: a model of what is stored holds.

The trials are those of the fake executor; folders, records, locks and readers are the real ones. A suite is killed
where a trial is submitted, as by the kernel: nothing after that runs.
"""

import os
import shutil
import tempfile
from pathlib import Path

from fake_executor import CUT_SHORT, LOST, FakeExecutor
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from stress.model.errors import UsageError
from stress.model.suite import Status
from stress.store import history_folder, run_folder, suite_folder
from stress.store.overview import Damage, read_overview
from stress.store.stored_names import list_stored
from stress.suite import runner
from stress.suite.config import load

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  # where a flush to the disk costs nothing
CELLS, TRIALS = 2, 2
PLANNED = CELLS * TRIALS
SUITE = """
trials = 2
warmup = 0
settle_s = 0
[defaults]
port_range = [40000, 40015]
[[scenario]]
name = "clean"
[[scenario]]
name = "closewait"
mines = 4
"""


class KilledError(Exception):
    """The process of a suite is gone."""


class KilledExecutor(FakeExecutor):
    """Kills the suite when it submits a trial, after some that went well."""

    def __init__(self, after, script=()):
        super().__init__(script=script)
        self.after = after

    def submit(self, job, host):
        if self.after == 0:
            raise KilledError
        self.after -= 1
        return super().submit(job, host)


class Store(RuleBasedStateMachine):
    """The folder of all runs, and what is known of each suite in it."""

    @initialize()
    def begin(self):
        self.home = Path(tempfile.mkdtemp(prefix="connstorm-store-", dir=MEMORY))
        self.results, self.history = self.home / "results", self.home / "history"
        self.history.mkdir()
        self.suite = load.decode_suite(SUITE, "suite.toml", "machine")
        self.statuses = {}  # by suite folder: the status of each trial by its number
        self.copied = {}  # by name: how many trials of the copy are done
        self.damaged = set()
        self.note(
            self.conduct(FakeExecutor(script=[None, LOST, CUT_SHORT]))
        )  # whatever the steps, there is one of each

    def teardown(self):
        if hasattr(self, "home"):
            shutil.rmtree(self.home)

    def conduct(self, executor, **options):
        """Run a suite until it ends or is killed; return its folder."""
        before = set(self.results.glob("*-suite-*")) if self.results.exists() else set()
        try:
            path = runner.run(self.suite, self.results, executor, **options)
        except KilledError:
            path = options.get("resume") or next(iter(set(self.results.glob("*-suite-*")) - before))
        return path

    def note(self, path):
        self.statuses[path] = {number: record.status for number, record in suite_folder.read_records(path).items()}

    def whole(self):
        return sorted(path for path in self.statuses if path not in self.damaged)

    @rule(script=st.lists(st.sampled_from([None, LOST, CUT_SHORT]), max_size=PLANNED))
    def run(self, script):
        if len(self.statuses) < 3:
            path = self.conduct(FakeExecutor(script=script))
            self.note(path)
            assert len(self.statuses[path]) == PLANNED

    @rule(after=st.integers(0, PLANNED - 1))
    def run_and_kill(self, after):
        if len(self.statuses) < 3:
            path = self.conduct(KilledExecutor(after))
            self.note(path)
            assert len(self.statuses[path]) == after

    @precondition(lambda self: self.whole())
    @rule(data=st.data(), retry=st.booleans(), after=st.none() | st.integers(0, 2))
    def resume(self, data, retry, after):
        path = data.draw(st.sampled_from(self.whole()))
        before = dict(self.statuses[path])
        executor = FakeExecutor() if after is None else KilledExecutor(after)
        self.conduct(executor, resume=path, retry_failed=retry)
        self.note(path)
        to_repeat = {Status.INTERRUPTED, *([Status.FAILED] if retry else [])}
        repeated = [number for number in range(PLANNED) if before.get(number) in to_repeat or number not in before]
        submitted = [call for call in executor.calls if call[0] == "submit"]
        assert len(submitted) == len(repeated) if after is None else len(submitted) <= len(repeated)
        for number, status in before.items():
            if number not in repeated:
                assert self.statuses[path][number] is status
        if after is None:
            assert len(self.statuses[path]) == PLANNED

    @precondition(lambda self: self.whole())
    @rule(data=st.data())
    def add_to_history(self, data):
        path = data.draw(st.sampled_from(self.whole()))
        try:
            history_folder.copy_to_history(path, self.history)
        except UsageError as error:
            assert path.name in self.copied
            assert "already" in str(error)  # noqa: PT017  # it is one of two outcomes
            return
        assert path.name not in self.copied
        self.copied[path.name] = sum(status is Status.DONE for status in self.statuses[path].values())

    @precondition(lambda self: self.whole())
    @rule(data=st.data(), cut=st.booleans())
    def damage(self, data, cut):
        path = data.draw(st.sampled_from(self.whole()))
        file = data.draw(st.sampled_from(sorted(path.rglob("*.json"))))
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2] if cut else b"\xff" + content)
        self.damaged.add(path)

    @invariant()
    def what_is_stored_is_what_is_known(self):
        if not hasattr(self, "home"):
            return
        for path in self.whole():
            records = suite_folder.read_records(path)
            assert {number: record.status for number, record in records.items()} == self.statuses[path]
            for record in records.values():
                if record.status is Status.DONE:
                    run_folder.read(suite_folder.trial_run_folder(path, record))
                else:
                    assert record.status in (Status.FAILED, Status.INTERRUPTED)
        for path in self.damaged:
            read_or_refused(path)

    @invariant()
    def a_list_has_every_suite_and_nothing_is_half_written(self):
        if not hasattr(self, "home"):
            return
        listed = list_stored(self.results) if self.results.exists() else []
        assert {entry.path for entry in listed} == set(self.statuses)
        for entry in listed:
            overview = read_overview(entry)
            assert entry.path in self.damaged or not isinstance(overview, Damage)
        assert not list(self.results.rglob(".*.partial"))
        for name, done in self.copied.items():
            records = suite_folder.read_records(self.history / name)
            assert sum(record.status is Status.DONE for record in records.values()) == done


def read_or_refused(path):
    """Read all that a damaged suite has; whatever is wrong with it is a sentence."""
    try:
        suite_folder.read(path)
        for record in suite_folder.read_records(path).values():
            if record.run is not None:
                run_folder.read(suite_folder.trial_run_folder(path, record))
    except UsageError as error:
        assert str(error)  # noqa: PT017  # a sentence, not only an error
        return


EXAMPLES, STEPS = (300, 20) if os.environ.get("CONNSTORM_MACHINE") else (6, 8)
TestStore = Store.TestCase
TestStore.settings = settings(max_examples=EXAMPLES, stateful_step_count=STEPS)
