# SPDX-License-Identifier: MIT
"""Several hosts: each runs every cell in blocks of its own, and no host is taken for another."""

import os

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.analysis.comparison.axis_points import baseline_of, cells_by_entry
from stress.lab import lock
from stress.model.suite import Status
from stress.store import run_folder, suite_folder
from stress.store.runs import read_observations
from stress.suite import cell_results, manifest, matrix, order, runner
from stress.suite.config import load as suite_file
from stress.suite.executor.local import Local

AXIS = "net.ipv4.tcp_timestamps"
ENTRY = {"name": "clean", "port_range": [40000, 40003]}
SUITE = {"settle_s": 0.0, "warmup": 1, "scenario": [ENTRY], "matrix": {AXIS: [1, 0]}}


@pytest.fixture(autouse=True)
def _a_lock_of_its_own(monkeypatch):
    """Let suites of this process not wait for those of other tests."""
    monkeypatch.setattr(lock, "NAME_FORMAT", f"{lock.NAME_FORMAT}-{os.getpid()}")


def suite(**changes):
    return suite_file.build_suite({"name": "hosts"} | SUITE | changes)


class Named(Local):
    """This machine under several names, as if it were as many hosts."""

    def __init__(self, *names):
        self.names = names
        self.given = []

    @property
    def hosts(self):
        return list(self.names)

    def fingerprint(self, host):
        assert host in self.names
        return super().fingerprint("local")

    def submit(self, job, host):
        self.given.append(host)
        return super().submit(job, "local")


@given(seed=st.integers(0, 2**31), trials=st.integers(1, 4), hosts=st.integers(1, 5))
def test_each_host_has_the_order_that_one_alone_would_have(seed, trials, hosts):
    one = suite(seed=seed, trials=trials)
    cells = matrix.build_cells(one, host=False)
    alone = order.ordered_trials(one, cells)
    together = order.ordered_trials(one, cells, hosts)
    assert [trial.number for trial in together] == list(range(len(together)))
    for host in range(hosts):
        own = [trial for trial in together if trial.block % hosts == host]
        assert [(trial.cell, trial.seed) for trial in own] == [(trial.cell, trial.seed) for trial in alone]
        assert [trial.block // hosts for trial in own] == [trial.block for trial in alone]


def test_hosts_run_side_by_side_and_are_never_pooled(tmp_path):
    executor = Named("a", "b")
    path = runner.run(suite(trials=1), tmp_path, executor)
    records = suite_folder.read_records(path)
    assert [record.host for record in records.values()] == ["a", "a", "b", "b"]
    assert sorted(executor.given[:2]) == ["a", "b"], "both warm up"
    assert {record.status for record in records.values()} == {Status.DONE}
    started = {number: record.started_utc for number, record in records.items()}
    assert started[2] < started[1], "b begins before a has run all of its own"

    more = Named("b", "a")  # named in another order: each keeps its own blocks
    runner.run(suite(trials=2, warmup=0), tmp_path, more, resume=path)
    after = suite_folder.read_records(path)
    assert {number: after[number] for number in records} == records
    assert [after[number].host for number in range(4, 8)] == ["a", "a", "b", "b"]
    cells = runner.read_cells(path)
    assert cell_results.count_missing(cells) == 0
    assert [(trials.cell.name, sorted(trials.done)) for trials in cells] == [
        ("clean on a", [0, 2]),
        ("clean tcp_timestamps=0 on a", [0, 2]),
        ("clean on b", [1, 3]),
        ("clean tcp_timestamps=0 on b", [1, 3]),
    ]
    entries = cells_by_entry(cells)
    assert list(entries) == ["clean on a", "clean on b"]
    assert [baseline_of(entry).cell.name for entry in entries.values()] == ["clean on a", "clean on b"]
    seen = {(run.cell, run.scenario, run.block) for run in read_observations(path, "")}
    assert ("clean on b", "clean", 1) in seen, "compare, gate and history tell hosts apart too"
    assert len(seen) == 8


class WithoutTimestamps(Named):
    """The host b says that it has no such setting."""

    def fingerprint(self, host):
        answer = super().fingerprint(host)
        if host == "b":
            answer = msgspec.structs.replace(answer, settings=[name for name in answer.settings if name != AXIS])
        return answer


def test_what_one_host_lacks_another_may_have(tmp_path):
    path = runner.run(suite(trials=1, warmup=0), tmp_path, WithoutTimestamps("a", "b"))
    statuses = {(record.host, record.status) for record in suite_folder.read_records(path).values()}
    assert statuses == {("a", Status.DONE), ("b", Status.NOT_APPLICABLE)}
    assert [trials.not_applicable is None for trials in runner.read_cells(path)] == [True, True, False, False]


def test_a_suite_of_one_host_has_the_names_of_its_cells(tmp_path):
    file = manifest.begin_suite(suite(trials=1), Named("a"), host=False)
    path = suite_folder.create(file, None, tmp_path)
    assert [trials.cell for trials in cell_results.read_cell_trials(path, file)] == file.cells
    assert run_folder.RUN_FILE not in {entry.name for entry in path.iterdir()}
