# SPDX-License-Identifier: MIT
"""connstorm gate through the real command: each exit code, and the files that CI systems read."""

import functools
import json
from pathlib import Path

import junitparser
import pytest
from command import connstorm
from stored import a_document, a_suite, jittered

from stress.model.errors import UsageError
from stress.store import verdict_file

GATES = (
    {"expr": "body.p99 <= 1.10x", "scenario": None},
    {"expr": "retries_per_million <= +20%", "scenario": "closewait"},
    {"expr": "cause.unknown == 0", "scenario": None},
)


DATA = Path(__file__).parent / "data"  # its verdicts are never to be changed


gate = functools.partial(connstorm, "gate")


def suite_of(path, *, first_block=0, **changes):
    cells = {
        "clean": jittered(14, **({"p99": 18_000} | changes)),
        "closewait": jittered(14, retried=changes.get("retried", 20)),
    }
    return a_suite(path, cells, first_block=first_block, gates=GATES)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a folder with suites of 14 trials, of one session: a base, the same, a slower one, and a short one."""
    folder = tmp_path_factory.mktemp("gate")
    suite_of(folder / "base")
    suite_of(folder / "same", first_block=14)
    suite_of(folder / "slow", first_block=28, p99=25_000, unknown=0)
    a_suite(folder / "short", {"clean": jittered(2), "closewait": jittered(2, retried=20)}, gates=GATES)
    a_suite(folder / "other", {"clean": [a_document(plan={"window": 7})] * 10}, suite_id="other", gates=GATES)
    return folder


def test_what_is_alike_passes(home):
    ended = gate("base", "same", "-o", "passed", cwd=home)
    assert ended.returncode == 0, ended.stderr
    assert "None of 5 conditions is broken; 5 hold." in ended.stdout
    verdict = verdict_file.read(home / "passed/gate/same/verdict.json")
    assert (verdict.verdict, verdict.exit_code, verdict.tests) == ("passed", 0, 3)
    assert [condition.state for condition in verdict.conditions] == ["holds"] * 5


def test_a_regression_is_1_and_every_file_names_it(home):
    ended = gate("base", "slow", "-o", "broken", cwd=home)
    assert ended.returncode == 1
    folder = home / "broken/gate/slow"
    verdict = verdict_file.read(folder / "verdict.json")
    (broken,) = [condition for condition in verdict.conditions if condition.state == "broken"]
    assert (verdict.verdict, verdict.exit_code) == ("regressed", 1)
    assert (broken.expr, broken.row) == ("body.p99 <= 1.1x", "clean")
    assert broken.limit == pytest.approx(1.1)
    assert broken.low > 1
    assert broken.adjusted_p <= 0.05
    (report,) = junitparser.JUnitXml.fromfile(str(folder / "junit.xml"))
    assert (report.tests, report.failures, report.errors, report.skipped) == (5, 1, 0, 0)
    (case,) = [case for case in report if case.result]
    assert (case.classname, case.name) == ("clean", "body.p99 <= 1.1x")
    assert case.result[0].message == broken.sentence
    assert "18 µs became 25 µs" in broken.sentence
    assert "| 🔴 broken | `body.p99 <= 1.1x` | clean | 18 µs | 25 µs |" in (folder / "summary.md").read_text()


def test_wrong_use_is_2(home):
    for arguments, sentence in [
        (("base", "same", "--expr", "body.p98 <= 1.1x"), "There is no metric 'body.p98'"),
        (("base", "same", "--expr", "body.p99"), "is no condition"),
        (("base", "nowhere"), "There is no path nowhere"),
        (("base", "same", "--allow-diff", "colour"), "--allow-diff takes kernel, testbed, plan, settings, not colour."),
    ]:
        ended = gate(*arguments, "-o", "wrong", cwd=home)
        assert ended.returncode == 2
        assert sentence in ended.stderr
        assert ended.stdout == ""
    for name in ("same", "nowhere"):
        verdict = verdict_file.read(home / "wrong/gate" / name / "verdict.json")
        assert (verdict.verdict, verdict.exit_code, verdict.conditions) == ("no-data", 2, [])
        assert verdict.error


def test_new_runs_that_do_not_say_are_3(home, tmp_path):
    cells = {"clean": jittered(3), "closewait": ["its process ended with SIGKILL"] * 3}
    a_suite(tmp_path / "failed", cells, gates=GATES)
    ended = gate(home / "base", "failed", cwd=tmp_path)
    assert ended.returncode == 3
    assert "3 planned trials of the new arm without data" in ended.stderr
    verdict = verdict_file.read(tmp_path / "results/gate/failed/verdict.json")
    assert verdict.verdict == "no-data"
    assert (
        "retries_per_million <= +20% of closewait: no data: 0 of 3 trials with a value; 3 failed (0003-closewait, "
        "0004-closewait, 0005-closewait: its process ended with SIGKILL)."
    ) in [condition.sentence for condition in verdict.conditions]


def test_inconclusive_is_4_if_asked_for(home):
    ended = gate("a=short", "b=short", "-o", "short-results", cwd=home)
    assert ended.returncode == 0
    assert "inconclusive" in ended.stdout
    assert gate("a=short", "b=short", "-o", "short-results", "--strict", cwd=home).returncode == 4
    assert json.loads((home / "short-results/gate/short/verdict.json").read_bytes())["verdict"] == "inconclusive"


def test_no_baseline_is_5_if_asked_for(home):
    for base, sentence in [("nowhere", "There is no baseline: nowhere is not a folder"), ("other", "in their plan")]:
        ended = gate(base, "same", "-o", "none", cwd=home)
        assert ended.returncode == 0
        assert sentence in ended.stderr
        assert json.loads((home / "none/gate/same/verdict.json").read_bytes())["verdict"] == "no-baseline"
        assert gate(base, "same", "-o", "none", "--require-baseline", cwd=home).returncode == 5


def test_a_broken_condition_weighs_more_than_a_missing_baseline(home):
    ended = gate("nowhere", "same", "--expr", "rate >= 1000000", "--require-baseline", "-o", "both", cwd=home)
    assert ended.returncode == 1


def test_the_self_test_fails_where_a_regression_would_go_unseen(home):
    ended = gate("base", "same", "--self-test", cwd=home)
    assert ended.returncode == 0, ended.stdout
    assert "Each of 5 regressions that were put into copies of the data was found." in ended.stdout
    ended = gate("short", "short", "--self-test", "--json", cwd=home)
    assert ended.returncode == 2  # the arms have one name
    ended = gate("a=short", "b=short", "--self-test", "--json", cwd=home)
    assert ended.returncode == 4
    lost = [entry for entry in json.loads(ended.stdout)["regressions"] if not entry["found"]]
    assert {entry["expr"] for entry in lost} == {"body.p99 <= 1.1x", "retries_per_million <= +20%"}


def test_json_is_the_verdict_file_and_nothing_else(home):
    ended = gate("base", "slow", "-o", "as-json", "--json", cwd=home)
    assert json.loads(ended.stdout) == json.loads((home / "as-json/gate/slow/verdict.json").read_bytes())


def test_a_folder_that_cannot_be_written_is_said(home):
    (home / "file").write_text("")
    ended = gate("base", "same", "-o", "file", cwd=home)
    assert ended.returncode == 2
    assert "could not be" in ended.stderr or "cannot be" in ended.stderr


@pytest.mark.parametrize(
    ("text", "sentence"), [("{", "is not a verdict"), ('{"schema": 2}', "is not a verdict"), (None, "cannot be read")]
)
def test_a_damaged_verdict_is_refused(tmp_path, text, sentence):
    if text is not None:
        (tmp_path / "verdict.json").write_text(text)
    with pytest.raises(UsageError, match=sentence):
        verdict_file.read(tmp_path / "verdict.json")


def test_the_frozen_verdict_is_read_as_it_was():
    verdict = verdict_file.read(DATA / "verdict-schema-1.json")
    assert (verdict.schema, verdict.verdict, verdict.exit_code, verdict.tests) == (1, "inconclusive", 0, 6)
    assert [condition.state for condition in verdict.conditions].count("inconclusive") == 3
    assert verdict.conditions[0].expr == "rate >= 0.9x"
    assert (verdict.allowed, verdict.error, verdict.conditions[0].planned) == ([], None, 0)  # which it did not store


def test_the_frozen_verdict_of_schema_2_is_read_as_it_was():
    verdict = verdict_file.read(DATA / "verdict-schema-2.json")
    assert (verdict.schema, verdict.verdict, verdict.exit_code, verdict.allowed) == (2, "regressed", 1, ["missing 3"])
    (broken,) = [condition for condition in verdict.conditions if condition.state == "broken"]
    assert [(trial.trial, trial.value, trial.causes) for trial in broken.breaking] == [
        ("0005-clean", 17.0, {"stalled": 17})
    ]
    (absent,) = [condition.absent for condition in verdict.conditions if condition.row == "closewait"][:1]
    assert [trial.state for trial in absent] == ["failed", "failed", "not run"]
