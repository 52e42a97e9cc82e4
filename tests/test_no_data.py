# SPDX-License-Identifier: MIT
"""No data is never a pass: planned trials are the denominator of a gate, and every absent one is said."""

import json
import os
import shutil
import subprocess

import junitparser
import pytest
from command import PROGRAM
from stored import FROZEN, a_document, a_suite, jittered

from stress.analysis.gate.trial_value import TrialValue, cause_of
from stress.analysis.metric import find_metric
from stress.cli.main import connstorm as group
from stress.compare.arms import Question, compare_arms
from stress.model.errors import NoRunsError, StoreError, UsageError
from stress.model.planned import TrialState
from stress.store import verdict_file
from stress.store.planned import read_planned, read_planned_arm, trial_name

GATES = (
    {"expr": "errors == 0", "scenario": None},
    {"expr": "body.p99 <= 5 ms", "scenario": None},
    {"expr": "body.p99 <= 1.10x", "scenario": None},
    {"expr": "retries_per_million <= 5000", "scenario": "closewait"},
)
SESSION = "5e5510"
DIED = "it died"


@pytest.fixture
def gate(tmp_path, monkeypatch, capsys):
    """Return a function that runs the command in this process: exit code, verdict, and what was printed."""
    monkeypatch.chdir(tmp_path)
    cells = {"clean": jittered(8), "closewait": jittered(8, retried=20)}
    a_suite(tmp_path / "base", cells, suite_id=SESSION, gates=GATES)

    def gate(*arguments, base="base", new="new"):
        with pytest.raises(SystemExit) as end:
            group.main(["gate", base, new, *map(str, arguments)], standalone_mode=False)
        printed = capsys.readouterr()
        verdict = verdict_file.read(verdict_file.gate_folder(tmp_path / "results", new) / "verdict.json")
        return end.value.code, verdict, printed.out + printed.err

    return gate


def new_suite(path, *, clean=None, closewait=None, gates=GATES, **options):
    """Write a suite of eight trials per cell, in the session of the base."""
    cells = {"clean": clean or jittered(8), "closewait": closewait or jittered(8, retried=20)}
    return a_suite(path, cells, suite_id=SESSION, first_block=8, gates=gates, **options)


def not_applicable(path, cell):
    """Let a suite say that its machine cannot run a cell: its first trial has the reason, and others were not tried."""
    first, *others = sorted(path.glob(f"trials/*-{cell}/trial.json"))
    ended = json.loads(first.read_text()) | {"status": "not applicable", "run": None, "reason": "Linux 5.10 has no x."}
    first.write_text(json.dumps(ended))
    for file in others:
        shutil.rmtree(file.parent)


def test_with_all_planned_trials_it_passes(gate, tmp_path):
    new_suite(tmp_path / "new")
    code, verdict, printed = gate("--strict", "--require-baseline")
    assert (code, verdict.verdict, verdict.allowed, verdict.error) == (0, "passed", [], None)
    assert {condition.planned for condition in verdict.conditions} == {8}
    assert "with a value" not in printed


@pytest.mark.parametrize(
    ("closewait", "text"),
    [
        ([DIED] * 8, "closewait: 0 of 8 trials with a value; 8 failed"),
        ([None] * 8, "closewait: 0 of 8 trials with a value; 8 not run."),
        ([a_document(retried=20)] + [DIED] * 7, "closewait: 1 of 8 trials with a value; 7 failed"),
        ([a_document(retried=20, attempts=861, interrupted=True), *jittered(7, retried=20)], "after 861 attempts"),
        ([a_document(retried=20)] + [a_document(retried=20, p50=None, p99=None)] * 7, "no attempt connected at once"),
        ([a_document(attempts=0), *jittered(7, retried=20)], "it made no attempt"),
    ],
    ids=["failed", "not run", "7 of 8 failed", "interrupted", "without a body", "without an attempt"],
)
def test_trials_without_data_are_3_and_a_row_with_the_reason(gate, tmp_path, closewait, text):
    new_suite(tmp_path / "new", closewait=closewait)
    for options in ([], ["--strict", "--require-baseline"]):
        code, verdict, printed = gate(*options)
        assert (code, verdict.verdict) == (3, "no-data")
        without = {condition.row for condition in verdict.conditions if condition.state == "no-data"}
        assert without == {"closewait"}
        assert text in " ".join(printed.split())
        assert any(text in condition.sentence for condition in verdict.conditions) or "with a value" in text
    count = len({trial.trial or place for c in verdict.conditions for place, trial in enumerate(c.absent)})
    code, verdict, _ = gate("--allow-missing", count - 1)
    assert code == 3
    code, verdict, printed = gate("--allow-missing", count)
    assert (code, verdict.allowed) == (0, [f"missing {count}"])
    assert f"Allowed by options: missing {count}." in printed
    assert f"missing {count}" in (tmp_path / "results/gate/new/summary.md").read_text()


def test_a_cell_that_does_not_apply_is_3_and_says_what_to_do(gate, tmp_path):
    not_applicable(new_suite(tmp_path / "new"), "closewait")
    code, verdict, printed = gate()
    assert (code, verdict.verdict) == (3, "no-data")
    assert "closewait: 0 of 8 trials with a value; 8 not applicable" in " ".join(printed.split())
    assert "leave cells that do not apply here out of the suite" in printed
    code, _, printed = gate("--filter", "cell=clean")
    assert code == 0
    assert "retries_per_million <= 5000 is about closewait, which --filter leaves out" in printed
    assert gate("--allow-missing", 8)[1].verdict == "passed"
    assert gate("--allow-missing", 7)[1].verdict == "no-data"


def test_a_suite_that_was_interrupted_after_2_of_16_trials_is_3(gate, tmp_path):
    new_suite(tmp_path / "new", clean=jittered(1) + [None] * 7, closewait=jittered(1, retried=20) + [None] * 7)
    code, verdict, printed = gate("--strict")
    assert (code, verdict.verdict) == (3, "no-data")
    assert {condition.state for condition in verdict.conditions} == {"no-data"}
    assert "connstorm suite new --resume runs what is missing; --allow-missing 14 passes without them" in printed


@pytest.mark.parametrize("trial", [DIED, None], ids=["failed", "not run"])
def test_without_any_trial_it_is_3_and_the_verdict_before_does_not_stay(gate, tmp_path, trial):
    new_suite(tmp_path / "new")
    assert gate()[1].verdict == "passed"
    shutil.rmtree(tmp_path / "new")
    new_suite(tmp_path / "new", clean=[trial] * 8, closewait=[trial] * 8)
    code, verdict, _ = gate()
    assert (code, verdict.verdict, verdict.exit_code) == (3, "no-data", 3)
    assert gate("--allow-missing", 16)[0] == 3, "where nothing has data, nothing passes"
    assert {condition.row for condition in verdict.conditions} == {"clean", "closewait"}
    assert "None of 7 conditions is broken; 7 have no data" in (tmp_path / "results/gate/new/summary.md").read_text()


def test_what_is_broken_stays_broken(gate, tmp_path):
    new_suite(tmp_path / "new", clean=[a_document(refused=3), *jittered(6), DIED])
    code, verdict, printed = gate()
    assert (code, verdict.verdict) == (1, "regressed")
    assert "errors == 0 of clean: 3 attempts in 1 of 7 trials (0000-clean)" in printed
    assert "clean: 7 of 8 trials with a value; 1 failed (0007-clean: it died)." in " ".join(printed.split())


@pytest.mark.parametrize(
    ("wrong", "code", "sentence"),
    [
        (["--expr", "body.p98 <= 1.1x"], 2, "There is no metric 'body.p98'"),
        (["--filter", "kernel=9"], 2, "No run passes"),
    ],
)
def test_after_bad_input_no_old_verdict_says_passed(gate, tmp_path, wrong, code, sentence):
    new_suite(tmp_path / "new")
    assert gate()[1].verdict == "passed"
    with pytest.raises(UsageError, match=sentence):
        group.main(["gate", "base", "new", *wrong], standalone_mode=False)
    folder = tmp_path / "results/gate/new"
    verdict = verdict_file.read(folder / "verdict.json")
    assert (verdict.verdict, verdict.exit_code) == ("no-data", code)
    assert sentence in verdict.error
    assert "Nothing was evaluated" in (folder / "summary.md").read_text()
    (suite,) = junitparser.JUnitXml.fromfile(str(folder / "junit.xml"))
    assert (suite.tests, suite.errors) == (1, 1)


def test_a_damaged_new_run_leaves_a_verdict_that_says_so(gate, tmp_path):
    path = new_suite(tmp_path / "new")
    assert gate()[1].verdict == "passed"
    (path / "trials/0003-clean/run/run.json").write_bytes(b'{"\xff')
    with pytest.raises(UsageError):
        group.main(["gate", "base", "new"], standalone_mode=False)
    assert "0003-clean" in verdict_file.read(tmp_path / "results/gate/new/verdict.json").error


def test_on_a_full_disk_no_verdict_is_left(gate, tmp_path):
    """A disk of its own (tmpfs), with the verdict of an earlier gate and no room for another."""
    new_suite(tmp_path / "new")
    assert gate()[1].verdict == "passed"
    verdict = (tmp_path / "results/gate/new/verdict.json").read_bytes()
    (tmp_path / "earlier.json").write_bytes(verdict)
    (tmp_path / "disk").mkdir()
    script = (
        "mount -t tmpfs -o size=40k,nr_inodes=20 none disk && cp earlier.json disk/verdict.json && "
        "dd if=/dev/zero of=disk/full bs=1k status=none; "
        f"{' '.join(PROGRAM)} gate base new --write disk; echo code $?; ls disk"
    )
    alone = ["unshare", "-Urm", "sh", "-c", script]
    ended = subprocess.run(alone, cwd=tmp_path, capture_output=True, text=True, check=False)
    if "code" not in ended.stdout:
        pytest.skip(f"this machine makes no mount namespace: {ended.stderr}")
    assert ended.stdout.splitlines()[-2:] == ["code 2", "full"], ended
    assert "No space left on device" in ended.stderr


def test_files_are_all_written_or_none(tmp_path):
    folder = tmp_path / "gate"
    verdict_file.open_gate_folder(folder)
    (folder / ".verdict.json.partial").mkdir()  # stands where it would be written
    with pytest.raises(StoreError, match="could not be written"):
        verdict_file.write_files(folder, {"junit.xml": b"1", "summary.md": b"2", "verdict.json": b"3"})
    assert [file.name for file in folder.iterdir()] == [".verdict.json.partial"]


def test_each_gate_has_a_folder_of_its_own(gate, tmp_path):
    new_suite(tmp_path / "new")
    gate(new="new")
    gate("--expr", "errors == 0", base="a=base#clean", new="b=new#clean")
    assert {folder.name for folder in (tmp_path / "results/gate").iterdir()} == {"new", "new-clean"}
    with pytest.raises(SystemExit):
        group.main(["gate", "base", "new", "--write", "here"], standalone_mode=False)
    assert verdict_file.read(tmp_path / "here/verdict.json").verdict == "passed"


def test_what_base_misses_is_said_and_what_it_has_is_compared(gate, tmp_path):
    new_suite(tmp_path / "new")
    cells = {"clean": [*jittered(6), DIED, None], "closewait": [DIED] * 8}
    a_suite(tmp_path / "less", cells, suite_id=SESSION, gates=GATES)
    code, verdict, printed = gate(base="less")
    assert "less: clean: 6 of 8 trials with a value; 1 failed (0006-clean: it died), 1 not run" in printed
    assert "less: closewait: 0 of 8 trials with a value; 8 failed" in printed
    states = {(condition.expr, condition.row): condition.state for condition in verdict.conditions}
    assert states["body.p99 <= 1.1x", "clean"] == "holds"
    assert states["body.p99 <= 1.1x", "closewait"] == "no-baseline"
    assert (code, verdict.verdict) == (0, "no-baseline")
    assert gate("--require-baseline", base="less")[0] == 5


def test_a_cell_of_the_base_that_the_new_suite_does_not_plan_is_no_data(gate, tmp_path):
    a_suite(tmp_path / "new", {"clean": jittered(8)}, suite_id=SESSION, first_block=8, gates=GATES[:3])
    code, _, printed = gate()
    assert code == 3
    assert "the new arm has no such cell" in " ".join(printed.split())
    assert gate("--filter", "cell=clean")[0] == 0


def test_a_condition_on_times_does_not_apply_where_none_are_measured(gate, tmp_path):
    new_suite(tmp_path / "new", measures=False)
    code, verdict, printed = gate()
    rows = {(condition.expr, condition.row): condition.state for condition in verdict.conditions}
    assert rows == {
        ("errors == 0", "clean"): "holds",
        ("errors == 0", "closewait"): "holds",
        ("body.p99 <= 5 ms", ""): "no-data",
        ("body.p99 <= 1.1x", ""): "no-data",
        ("retries_per_million <= 5000", "closewait"): "holds",
    }
    assert code == 3
    assert "body.p99 <= 5 ms: times of its trials are not valid" in " ".join(printed.split())


def test_a_run_alone_that_was_interrupted_is_no_data(gate, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "run.json").write_text(json.dumps(a_document(attempts=861, interrupted=True)))
    code, verdict, _ = gate("--expr", "errors == 0", base="nowhere")
    assert code == 3
    assert "1 interrupted (new: it was interrupted after 861 attempts)" in verdict.conditions[0].sentence


def test_rows_and_filters_take_absent_trials_by_what_was_planned(gate, tmp_path):
    cells = {"clean": jittered(8), "clean tcp_tw_reuse=0": [DIED] * 8}
    path = a_suite(tmp_path / "new", cells, suite_id=SESSION, first_block=8, gates=GATES[:2])
    suite = json.loads((path / "suite.json").read_text())
    suite["cells"][1]["plan"]["sysctls"] = {"net.ipv4.tcp_tw_reuse": "0"}
    (path / "suite.json").write_text(json.dumps(suite))
    _, verdict, _ = gate("--rows", "tcp_tw_reuse", base="nowhere")
    assert {(condition.row, condition.state) for condition in verdict.conditions} == {
        ("tcp_tw_reuse=2", "holds"),
        ("tcp_tw_reuse=0", "no-data"),
    }
    assert gate("--filter", "tcp_tw_reuse=2", base="nowhere")[0] == 0
    assert gate("--filter", "tcp_tw_reuse=0", base="nowhere")[0] == 3
    assert gate("--rows", "scenario", base="nowhere")[0] == 3, "merged with others, they are missing all the same"


def test_planned_trials_of_the_frozen_suite():
    """Two cells of two trials, of which one was not run, and a cell that did not apply."""
    trials = read_planned(FROZEN)
    assert [(trial.cell, trial.block, trial.state) for trial in trials] == [
        ("closewait", 0, TrialState.DONE),
        ("closewait", 1, TrialState.DONE),
        ("closewait tcp_timestamps=0", 0, TrialState.DONE),
        ("closewait tcp_timestamps=0", 1, TrialState.MISSING),
        ("gone", 0, TrialState.NOT_APPLICABLE),
        ("gone", 1, TrialState.NOT_APPLICABLE),
    ]
    assert trial_name(trials[0].run) == trials[0].name == "0000-closewait"
    assert len(read_planned_arm(f"a={FROZEN}#gone")) == 2
    assert read_planned(FROZEN / "nowhere") == []


@pytest.mark.usefixtures("gate")
def test_without_a_base_conditions_on_the_new_runs_alone_are_held(tmp_path, capsys):
    new_suite(tmp_path / "new")
    for arguments in (["new"], ["none", "new"], ["base=none", "new"]):
        with pytest.raises(SystemExit) as end:
            group.main(["gate", *arguments], standalone_mode=False)
        printed = capsys.readouterr()
        verdict = verdict_file.read(tmp_path / "results/gate/new/verdict.json")
        assert (end.value.code, verdict.verdict, verdict.base.rpartition("=")[2]) == (0, "no-baseline", "none")
        assert printed.err == "warning: There is no baseline.\n"
    new_suite(tmp_path / "absolute", gates=GATES[:2])
    with pytest.raises(SystemExit):
        group.main(["gate", "absolute"], standalone_mode=False)
    assert capsys.readouterr().err == ""
    assert verdict_file.read(tmp_path / "results/gate/absolute/verdict.json").verdict == "passed"


def compared(capsys, *arguments):
    """Return what compare prints, as a list of words on one line."""
    group.main(["compare", *arguments, "--no-draw"], standalone_mode=False)
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.usefixtures("gate")
def test_compare_says_in_its_table_what_has_no_result(tmp_path, capsys):
    new_suite(tmp_path / "new", clean=[*jittered(7), DIED], closewait=[None] * 8)
    for options in ([], ["--markdown"], ["--json"]):
        said = compared(capsys, "base", "new", *options).replace("\\", "")
        assert "new: closewait: 0 of 8 trials with a value; 8 not run" in said
        assert "new: clean: 7 of 8 trials with a value; 1 failed (0007-clean: it died)" in said
    assert "closewait:" not in compared(capsys, "base", "new", "--filter", "cell=clean")


@pytest.mark.usefixtures("gate")
def test_compare_of_a_cell_without_any_result_says_why(tmp_path):
    new_suite(tmp_path / "new", closewait=[DIED] * 8)
    with pytest.raises(
        NoRunsError, match="new#closewait has no run that is done: 0 of 8 trials with a value; 8 failed"
    ):
        compare_arms(Question(arms=("base#closewait", "new#closewait")))


@pytest.mark.usefixtures("gate")
def test_history_says_what_the_newest_suite_has_no_result_of(tmp_path, capsys):
    for number in range(3):
        name = tmp_path / f"h/2026010{number + 1}T000000Z-suite-s-00aa1{number}"
        new_suite(name, closewait=[DIED] * 8 if number == 2 else None)
    with pytest.raises(SystemExit):
        group.main(["history", "h", "--metric", "rate"], standalone_mode=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "suite-s-00aa12: closewait: 0 of 8 trials with a value; 8 failed" in said
    assert "suite-s-00aa11" not in said


@pytest.mark.usefixtures("gate")
def test_the_folder_of_a_gate_is_listed_as_no_suite(tmp_path, capsys):
    """Its name has no time, or it would look like the folder of a suite."""
    name = "results/20260101T000000Z-suite-s-00aa11"
    new_suite(tmp_path / name)
    with pytest.raises(SystemExit):
        group.main(["gate", name], standalone_mode=False)
    assert (tmp_path / "results/gate/suite-s-00aa11/verdict.json").exists()
    capsys.readouterr()
    group.main(["list"], standalone_mode=False)
    assert "results/gate" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("metric", "causes", "value", "cause"),
    [
        ("errors", {"stalled": 17}, 17, "stalled"),
        ("errors_per_million", {"stalled": 17}, 1700, "stalled"),
        ("band.1s", {"stalled": 17}, 1700, "stalled"),
        ("errors", {"stalled": 17, "closewait": 3}, 17, None),  # which of them failed is not known
        ("outcome.connected", {"stalled": 17}, 17, None),  # most that connected have none
        ("collisions", {"closewait": 17}, 17, None),
        ("cause.unknown", {"unknown": 17}, 17, "unknown"),
        ("cause.accept_queue.at_least", {}, 17, "accept_queue"),
        ("cause.accept_queue.at_most", {"unknown": 17}, 17, None),  # which may have it
        ("body.p99", {"stalled": 17}, 17, None),
    ],
)
def test_a_cause_is_named_only_where_it_can_be_no_other(metric, causes, value, cause):
    assert cause_of([TrialValue("0005-closewait", value, 10_000, causes)], find_metric(metric)) == cause


def test_a_gate_that_is_killed_leaves_no_verdict_of_an_earlier_one(gate, tmp_path):
    """It is killed while it reads: one file of the new suite is a pipe that nobody writes to."""
    path = new_suite(tmp_path / "new")
    assert gate()[1].verdict == "passed"
    pipe = path / "trials/0003-clean/run/run.json"
    pipe.unlink()
    os.mkfifo(pipe)
    with subprocess.Popen([*PROGRAM, "gate", "base", "new"], cwd=tmp_path) as process:
        writer = os.open(pipe, os.O_WRONLY)  # waits until it reads
        process.kill()
        process.wait()
        os.close(writer)
    assert list((tmp_path / "results/gate/new").iterdir()) == []
