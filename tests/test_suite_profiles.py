# SPDX-License-Identifier: MIT
"""Profiles of a suite: a run more of each trial's plan, which is no trial, and what is refused before the first one."""

import json
import shutil
from dataclasses import replace

import msgspec
import pytest
from command import UNDRAWN, connstorm
from fake_executor import INTERRUPTED_TRIAL, LOST, FakeExecutor
from test_namespace_state import NOBODY, of_child
from test_profile import FROZEN, for_root_alone, needs_perf, recording  # noqa: F401  # a fixture
from test_scheduler import run

from stress.analysis.statistics.trials import CellTrials
from stress.compare.report import ReportQuestion, read_document
from stress.model.errors import UsageError
from stress.model.suite import Status
from stress.run.process import CellResult
from stress.store import profile_file, run_folder, suite_folder
from stress.store.runs import read_observations
from stress.store.suite_folder import SUITE_SCHEMA, Manifest
from stress.store.trial_profile import GONE, NOT_WANTED
from stress.suite import manifest, matrix
from stress.suite.applicability import refuse_profiles, require_profiler
from stress.suite.cell_results import read_cell_trials
from stress.suite.config.load import build_suite
from stress.suite.executor import guest
from stress.suite.executor.batch import profile_name
from stress.suite.executor.local import Local
from stress.suite.executor.virtme import Virtme
from stress.view.text.suite_markdown import suite_markdown
from stress.view.text.unprofiled_wording import unprofiled_line

SCENARIOS = [{"name": "clean"}, {"name": "clean", "label": "plain", "profile": False}]
DOCUMENT = {"name": "small", "trials": 2, "warmup": 0, "profile": True, "scenario": SCENARIOS}


def cells_of(**changes):
    return matrix.build_cells(build_suite(DOCUMENT | changes))


def a_folder(results, executor, **changes):
    suite = build_suite(DOCUMENT | changes)
    host = executor.hosts[0]
    file = Manifest(
        schema=SUITE_SCHEMA,
        id="857d21",
        started_utc="2026-11-29T00:00:00+00:00",
        fingerprints={host: executor.fingerprint(host)},
        host=False,
        suite=suite,
        cells=matrix.build_cells(suite),
    )
    return suite_folder.create(file, None, results)


def test_the_suite_says_what_is_profiled_and_a_scenario_may_say_otherwise():
    assert [cell.profile for cell in cells_of()] == [True, False]
    assert [cell.profile for cell in cells_of(profile=False)] == [False, False]
    plain = cells_of(scenario=[{"name": "clean", "profile": True}], profile=False)
    assert [cell.profile for cell in plain] == [True]
    assert [cell.identity for cell in cells_of()] == [cell.identity for cell in cells_of(profile=False)]


def test_a_profile_follows_each_trial_of_its_cell_and_is_none_itself(tmp_path):
    executor = FakeExecutor()
    path = a_folder(tmp_path, executor)
    observer, _ = run(path, executor)
    assert len(observer.ended_trials) == 4
    submitted = [call[2] for call in executor.calls if call[0] == "submit"]
    assert len(submitted) == 6
    for record in suite_folder.read_records(path).values():
        assert (record.profile is not None) == (record.trial.cell == "clean")
    runs = list(read_observations(path, "new"))
    assert [run.profile is not None for run in runs] == [run.cell == "clean" for run in runs]
    assert len(runs) == 4
    assert len(observer.profiled) == 2


def test_a_profile_that_failed_leaves_the_trial_done_and_says_why(tmp_path):
    executor = FakeExecutor(script=[None, LOST])
    path = a_folder(tmp_path, executor, scenario=[{"name": "clean"}])
    run(path, executor)
    first, second = suite_folder.read_records(path).values()
    assert (first.status, first.profile, first.unprofiled) == (Status.DONE, None, "The host was lost.")
    assert second.profile is not None


def with_failed_profiles(path):
    """Let the first trial of a suite have a profile, the second one a run that perf gave up; return what it said."""
    said = "perf ended by itself with code 1: no room."
    first, second = suite_folder.read_records(path).values()
    for record, failure in ((first, ""), (second, said)):
        home = suite_folder.trial_folder(path, record.trial) / "profile"
        shutil.rmtree(home)
        copy = shutil.copytree(FROZEN, home / FROZEN.name)
        document = json.loads((copy / "run.json").read_text())
        document["profiled"] |= {"failure": failure, **({"acts": []} if failure else {})}
        (copy / "run.json").write_text(json.dumps(document))
        suite_folder.finish_trial(path, msgspec.structs.replace(record, profile=FROZEN.name))
    return said


def test_missing_profiles_are_summed_with_their_reasons_wherever_the_suite_is_shown(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    old, new = (a_folder(tmp_path / name, FakeExecutor(), scenario=[{"name": "clean"}]) for name in ("old", "new"))
    for path in (old, new):
        run(path, FakeExecutor())
    said = with_failed_profiles(new)
    with_failed_profiles(old)
    (missing,) = (record for record in suite_folder.read_records(old).values() if record.trial.number)
    suite_folder.finish_trial(old, msgspec.structs.replace(missing, profile=None))
    line = f"1 of 2 trials has no profile: {said}"
    done = connstorm("show", new, cwd=tmp_path)
    assert line in done.stdout
    cells = read_cell_trials(new, suite_folder.read(new))
    assert line in suite_markdown(cells)
    page = read_document(ReportQuestion(arguments=[str(new)]))
    assert line in [notice.text for notice in page.notices]
    (cell,) = json.loads(connstorm("show", new, "--json", cwd=tmp_path).stdout)["cells"]
    assert [one["reason"] for one in cell["unprofiled"]] == [said]
    done = connstorm("compare", f"old={old}", f"new={new}", "--profile", UNDRAWN, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"warning: new: {line.rstrip('.')}\n" in done.stderr
    assert f"warning: old: 1 of 2 trials has no profile: {NOT_WANTED.rstrip('.')}\n" in done.stderr
    assert "1 and 1 profiled trial\n" in done.stdout


def test_a_profile_that_perf_gave_up_is_recorded_with_its_reason(tmp_path):
    path = a_folder(tmp_path, FakeExecutor(), scenario=[{"name": "clean"}])
    run(path, FakeExecutor())
    said = with_failed_profiles(path)
    failed = CellResult(next(path.glob("trials/0001-*/profile/*")), None, None)
    assert profile_name(failed) == {"profile": FROZEN.name, "unprofiled": said}


def test_several_reasons_are_counted():
    cells = [CellTrials(cell, {0: None, 1: None, 2: None}, {}) for cell in cells_of()]
    assert not unprofiled_line(cells)
    cells[0] = replace(cells[0], unprofiled={0: "It was late.", 1: "It died.", 2: "It died."})
    assert unprofiled_line(cells) == "3 of 3 trials have no profile: It died (2); It was late (1)."


def test_profiles_that_were_removed_are_missing(tmp_path):
    path = a_folder(tmp_path, FakeExecutor(), scenario=[{"name": "clean"}])
    run(path, FakeExecutor())
    for folder in path.glob("trials/*/profile"):
        shutil.rmtree(folder)
    runs = list(read_observations(path, ""))
    assert {(run.profile, run.unprofiled) for run in runs} == {(None, GONE)}


def test_no_profile_follows_a_trial_that_failed(tmp_path):
    executor = FakeExecutor(script=[LOST])
    path = a_folder(tmp_path, executor, scenario=[{"name": "clean"}])
    run(path, executor)
    assert len([call for call in executor.calls if call[0] == "submit"]) == 3


def test_a_trial_is_not_recorded_before_its_profile_has_ended(tmp_path):
    executor = FakeExecutor(script=[None, INTERRUPTED_TRIAL])
    path = a_folder(tmp_path, executor, scenario=[{"name": "clean"}])
    with pytest.raises(KeyboardInterrupt):
        run(path, executor)
    assert suite_folder.read_records(path) == {}
    again, _ = run(path, FakeExecutor())
    assert len(again.begun) == 2


@pytest.mark.parametrize(
    ("scenario", "executor", "words"),
    [
        ({"measures": False}, Local(), "run at the same time"),
        ({}, FakeExecutor(), "leave it out, or --executor"),
        ({"link": "peer:lab2"}, Local(), "the link to a peer"),
    ],
)
def test_what_cannot_be_profiled_is_refused(scenario, executor, words):
    with pytest.raises(UsageError, match=words):
        refuse_profiles(cells_of(scenario=[{"name": "clean"} | scenario]), executor)


def test_guests_are_profiled_as_the_running_kernel_is():
    cells = cells_of(scenario=[{"name": "clean", "matrix": {"kernel": ["host", "deb:trixie"]}}])
    refuse_profiles(cells, Virtme())
    with pytest.raises(UsageError, match="leave it out, or --executor"):
        refuse_profiles(cells, FakeExecutor())


def test_a_guest_is_told_to_profile(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(guest, "Boot", lambda *at, **_: told.append((at[1] / guest.GO).read_text()))
    for rate in (None, 499):
        guest.GuestHandle(
            None, cells_of()[0].plan, tmp_path, "6.1", kvm=False, limit_s=1, settle=None, profile_hz=rate
        ).temporary.cleanup()
    assert ["--profile 499" in text for text in told] == [False, True]


def test_without_perf_no_suite_begins(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"^profile = true needs perf, which is not installed: apt-get install"):
        manifest.begin_suite(build_suite(DOCUMENT), Local(), host=False)
    manifest.begin_suite(build_suite(DOCUMENT), Local(), host=False, boot=False)  # --dry-run
    require_profiler(cells_of(profile=False))


@needs_perf
@for_root_alone
def test_others_than_root_are_told_before_the_first_trial():
    said = of_child(NOBODY, what_is_said)
    assert said.startswith("There can be no profile: kernel.perf_event_paranoid is ")


def what_is_said():
    """Return why no suite with profiles begins."""
    with pytest.raises(UsageError) as refused:
        require_profiler(cells_of())
    return str(refused.value)


@needs_perf
@pytest.mark.usefixtures("recording")
def test_a_real_suite_has_the_stacks_of_each_trial(tmp_path):
    small = {"trials": 1, "settle_s": 0, "defaults": {"attempts": 3000}}
    path = a_folder(tmp_path, Local(), **small)
    run(path, Local())
    profiled, plain = sorted(read_observations(path, "new"), key=lambda run: run.cell)
    assert profiled.timed
    assert plain.timed
    assert plain.profile is None
    observed, _ = run_folder.read(profiled.profile)
    (act,) = observed.record.profiled.acts
    assert sum(profile_file.read(profiled.profile).values()) == act.samples
    assert observed.record.plan == profiled.plan
