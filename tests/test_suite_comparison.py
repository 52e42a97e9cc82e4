# SPDX-License-Identifier: MIT
"""The cells of a suite have one verdict, whether its table or ``connstorm compare`` gives it."""

import json

import pytest
from command import connstorm
from stored import a_suite, jittered
from suite_builders import a_summary, trials_of
from test_calibrate import a_calibration

from stress.analysis.comparison.metric_family import GATING_METRICS, SURVEYED_METRICS
from stress.analysis.comparison.suite_comparison import compare_cells
from stress.analysis.comparison.verdict import Verdict
from stress.compare.arms import Question, compare_all, compare_arms
from stress.model.calibration import Noise
from stress.store import calibration as stored
from stress.store import suite_folder
from stress.suite.cell_results import read_cell_trials
from stress.view.text.suite_markdown import suite_markdown


@pytest.fixture
def survey(tmp_path):
    """Return a suite folder with a baseline, a slower cell, one with retries, and one that is alike."""
    cells = {
        "clean": jittered(14, p99=18_000),
        "clean tcp_timestamps=0": jittered(14, p99=30_000),
        "clean mines=5": jittered(14, p99=18_000, retried=20),
        "clean backlog=8": jittered(14, p99=18_000),
    }
    return a_suite(tmp_path / "results" / "survey", cells, suite_id="survey")


def verdicts(comparisons):
    return {
        (comparison.new, comparison.metric): (comparison.verdict, comparison.adjusted_p, comparison.effect)
        for comparison in comparisons
        if comparison.metric in SURVEYED_METRICS
    }


def compared(path):
    """The comparisons of ``connstorm compare``."""
    arms = compare_arms(Question(arms=(str(path),), results=path.parent))
    assert arms.is_survey
    return compare_all(arms, ()), arms.runs[0].host.testbed


def test_the_table_of_a_suite_and_compare_give_the_same_verdicts(survey):
    ours = verdicts(compare_cells(read_cell_trials(survey, suite_folder.read(survey))).comparisons)
    theirs, testbed = compared(survey)
    assert len(ours) == 3 * len(SURVEYED_METRICS)
    assert ours == verdicts(theirs)
    assert {str(verdict) for verdict, _, _ in ours.values()} == {"regressed", "equivalent"}
    noise = {"body.p99": Noise(kind="ratio", floor=2.0, spread=0.5, median=18_000.0)}
    stored.write(survey.parent, a_calibration(testbed=testbed, scenarios={"clean": noise}))
    again = verdicts(compare_cells(read_cell_trials(survey, suite_folder.read(survey))).comparisons)
    assert again == verdicts(compared(survey)[0])
    assert again != ours


def test_a_survey_gates_nothing_and_says_how_many_of_its_marks_are_wrong(survey):
    ended = connstorm("compare", str(survey), "--json", "--no-draw", cwd=survey.parent)
    assert not any(row["gating"] for row in json.loads(ended.stdout)["comparisons"])
    shown = connstorm("show", str(survey), cwd=survey.parent)
    text = " ".join(shown.stdout.split())
    assert "Of all marks 5 % are wrong on average, at most (Benjamini-Hochberg, 21 comparisons)." in text


@pytest.mark.parametrize(("trials", "is_enough"), [(5, False), (14, True)])
def test_arms_of_a_suite_gate_by_holm_and_the_table_says_so(trials, is_enough):
    usual, new = (
        trials_of([a_summary(p50=p50)] * trials, levels={"arm": arm}, baseline=arm == "old")
        for arm, p50 in (("old", 1000), ("new", 3000))
    )
    verdict_of = {
        (comparison.metric, comparison.gating): comparison.verdict
        for comparison in compare_cells([usual, new]).comparisons
    }
    assert {metric for metric, gating in verdict_of if gating} == set(GATING_METRICS)
    assert (verdict_of["body.p50", True] is Verdict.REGRESSED) == is_enough
    text = suite_markdown([usual, new])
    assert "Any of the 5 comparisons that gate is marked wrongly in 5 % of such suites, at most (Holm)." in text
    assert ("5 blocks can never reach 0.05 for these; 8 can." in text) != is_enough
