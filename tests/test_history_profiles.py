# SPDX-License-Identifier: MIT
"""The profiles on both sides of a step of a history: what is named, where the stacks lie, and what is not compared."""

import json
import os
import shutil

import pytest
from command import changed_connstorm
from profiled_history import HASHING, profiled_history

from stress.analysis.history.history import HistoryFilter, build_history
from stress.compare.history_profiles import POINTS_MAX, compare_steps, step_object
from stress.compare.report import ReportQuestion, read_document
from stress.model.errors import UsageError
from stress.store.history_folder import copy_to_history
from stress.store.runs import read_observations
from stress.view.text.step_wording import stacks_line, step_sentences, step_title

FUNCTION = HASHING[-1]
CACHED = "from stress.compare import history_cache; history_cache.SAVED_MIN = 1"


def steps_of(folder, *metrics):
    history = build_history(read_observations(folder, ""), HistoryFilter(metrics or ["body.p50"]), ())
    return compare_steps(history, folder)


def named(step):
    return [function.name for act in step.acts for function in act.functions if function.named]


def test_the_function_that_a_step_came_from_is_named_and_the_stacks_are_found(tmp_path):
    suites = profiled_history(tmp_path)
    (step,) = steps_of(tmp_path)
    assert named(step) == [FUNCTION]
    assert (step.unit, step.acts[0].units) == ("session", (4, 4))
    assert [*step.before.folders, *step.after.folders] == suites
    assert len(step.before.stacks) == len(step.after.stacks) == 8
    assert all(path.is_file() for path in [*step.before.stacks, *step.after.stacks])
    assert step_title(step, several=False) == "closewait since 2026-01-05 00:00 (body p50)"
    first, second, *_ = step_sentences(step)
    assert first == "4 and 4 profiled sessions:"
    assert f" µs in {FUNCTION} for an attempt" in second
    assert stacks_line(step, whole_paths=False).startswith("stacks before: 2026-suite-000000, ")


def test_a_step_without_a_change_of_functions_names_none(tmp_path):
    profiled_history(tmp_path, extra=0)
    (step,) = steps_of(tmp_path)
    assert not named(step)
    assert any("No function surely changed" in text for text in step_sentences(step))


def test_with_one_profiled_session_on_a_side_nothing_is_named(tmp_path):
    for suite in profiled_history(tmp_path)[:3]:
        for home in suite.glob("trials/*/profile"):
            shutil.rmtree(home)
    (step,) = steps_of(tmp_path)
    assert not named(step)
    assert any(text.startswith("With one session on a side no interval") for text in step_sentences(step))
    assert len(step.before.folders) == 1


def test_profiles_on_one_side_alone_are_compared_with_nothing(tmp_path):
    for suite in profiled_history(tmp_path)[:4]:
        for home in suite.glob("trials/*/profile"):
            shutil.rmtree(home)
    assert steps_of(tmp_path) == []


def test_those_nearest_to_the_step_are_compared(tmp_path):
    suites = profiled_history(tmp_path, (POINTS_MAX + 2, POINTS_MAX + 1), trials=1)
    (step,) = steps_of(tmp_path)
    assert [*step.before.folders, *step.after.folders] == suites[2 : 2 + 2 * POINTS_MAX]


def test_metrics_that_have_the_same_step_have_its_profiles_once(tmp_path):
    profiled_history(tmp_path)
    (step,) = steps_of(tmp_path, "body.p50", "body.p90")
    assert step.metrics == ["body.p50", "body.p90"]


def test_on_an_emulated_cpu_nothing_is_compared_and_the_stacks_are_kept(tmp_path):
    profiled_history(tmp_path)
    history = build_history(read_observations(tmp_path, ""), HistoryFilter(["body.p50"]), ())
    for file in tmp_path.glob("*/trials/*/run/run.json"):
        document = json.loads(file.read_text())
        document["host"]["emulated"] = True
        file.write_text(json.dumps(document))
    (step,) = compare_steps(history, tmp_path)
    assert not step.acts
    assert [*step_sentences(step)] == [
        "Profiles are not compared, for on an emulated CPU a function costs what it takes to emulate it."
    ]
    assert step_object(step)["stacks"]["before"]


def test_across_kernels_less_is_named(tmp_path):
    profiled_history(tmp_path, kernel="6.19.0")
    (step,) = steps_of(tmp_path)
    assert step.acts[0].across_kernels
    assert named(step) == [FUNCTION]  # its caller costs as much more


def test_a_history_keeps_the_profiles_of_what_is_added_to_it(tmp_path):
    kept = tmp_path / "kept"
    for suite in profiled_history(tmp_path / "results"):
        copy_to_history(suite, kept)
    shutil.rmtree(tmp_path / "results")
    (step,) = steps_of(kept)
    assert named(step) == [FUNCTION]


def test_a_profile_of_a_single_run_is_kept_too(tmp_path):
    suite, *_ = profiled_history(tmp_path / "results", (1, 0))
    run = next(suite.glob("trials/*/profile/*"))
    copy = copy_to_history(run, tmp_path / "kept")
    assert {file.name for file in copy.iterdir()} == {"run.json", "profile.folded"}
    assert (copy / "profile.folded").read_bytes() == (run / "profile.folded").read_bytes()


def test_a_damaged_profile_is_not_added(tmp_path):
    suite, *_ = profiled_history(tmp_path / "results", (1, 0))
    file = next(suite.glob("trials/*/profile/*/profile.folded"))
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(UsageError, match=r"profile\.folded is not what was written"):
        copy_to_history(suite, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_a_damaged_profile_is_said(tmp_path):
    for file in profiled_history(tmp_path)[3].glob("trials/*/profile/*/profile.folded"):
        file.write_text("storm 1\n")
    with pytest.raises(UsageError, match=r"profile\.folded"):
        steps_of(tmp_path)


def test_the_command_says_it_with_a_cache_and_without(tmp_path):
    profiled_history(tmp_path / "history")
    words = ("history", "history", "--no-figure", "--metric", "body.p50")
    options = {"cwd": tmp_path, "env": os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}}
    done = changed_connstorm(CACHED, *words, **options)
    assert done.returncode == 0, done.stderr
    assert "profile: closewait since 2026-01-05 00:00 (body p50)\n4 and 4 profiled sessions:\n" in done.stdout
    assert "stacks before: history/2026-suite-000000, " in done.stdout
    assert list((tmp_path / "cache").rglob("*.msgpack"))
    (step,) = json.loads(changed_connstorm(CACHED, *words, "--json", **options).stdout)["profiles"]
    assert [one["name"] for one in step["acts"][0]["functions"] if one["named"]] == [FUNCTION]


def test_what_was_compared_is_looked_up_until_a_profile_changes(tmp_path):
    suites = profiled_history(tmp_path)
    history = build_history(read_observations(tmp_path, ""), HistoryFilter(["body.p50"]), ())
    known = {}
    steps = compare_steps(history, tmp_path, lambda contents, compute: known.setdefault(contents, compute()))
    again = compare_steps(history, tmp_path, lambda contents, _: known[contents])
    assert again == steps
    (file, *_) = suites[0].glob("trials/*/profile/*/profile.folded")
    file.write_text(file.read_text() + "\n")
    with pytest.raises(KeyError):
        compare_steps(history, tmp_path, lambda contents, _: known[contents])


def test_the_page_of_a_history_has_the_functions_of_its_steps(tmp_path):
    profiled_history(tmp_path)
    document = read_document(ReportQuestion(arguments=[str(tmp_path)], metrics=["body.p50"]))
    (table,) = (table for table in document.tables if table.name == "history-functions")
    assert {row[0].text: row[-1].text for row in table.rows}[FUNCTION] == "named"
    assert "4 and 4 profiled sessions" in table.notes[0]
