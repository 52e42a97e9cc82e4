# SPDX-License-Identifier: MIT
"""What a design cannot decide is said before it is run, and below its verdict; shipped suites decide what they gate."""

import dataclasses
import json
import math
import os

import pytest
from command import connstorm
from comparison_builders import compared
from hypothesis import given, settings
from hypothesis import strategies as st

from stress.analysis.comparison.compare import decide
from stress.analysis.comparison.verdict import ALPHA, Unit, Verdict
from stress.analysis.gate.case import Case
from stress.analysis.gate.condition import parse_condition
from stress.analysis.gate.evaluate import evaluate_cases
from stress.analysis.metric import find_metric
from stress.analysis.statistics.multiple_testing import benjamini_hochberg_correction, holm_correction
from stress.analysis.statistics.power import least_trials, smallest_p
from stress.analysis.statistics.trials import TIMED_UNITS
from stress.lab.host import read_host
from stress.model.suite import Suite
from stress.suite import matrix
from stress.suite.config import load
from stress.suite.estimate import cell_seconds
from stress.suite.shipped import SHIPPED
from stress.view.text.comparison_markdown import markdown
from stress.view.text.design_wording import ArmSizes, condition_notes, never_text, plan_notes
from stress.view.text.noise_table import least_text
from stress.view.text.survey_wording import few_blocks_text

NEVER = "5 blocks can never reach 0.05 for 5 tests corrected together (Holm); 8 can."
FILES = sorted(SHIPPED.glob("*.toml"))


def never(base, tests, *, new=None, unit=Unit.BLOCK):
    return never_text(ArmSizes(base, new or base, unit), tests)


def test_five_blocks_never_decide_five_tests_and_eight_do():
    assert never(5, 5) == NEVER
    assert never(8, 5) == never(6, 1) == never(3, 0) == ""
    assert never(5, 1) == "5 blocks can never reach 0.05 for one test; 6 can."
    assert never(3, 1, unit=Unit.TRIAL) == "3 trials of each arm can never reach 0.05 for one test; 4 can."
    assert never(2, 5, new=14, unit=Unit.TRIAL) == (
        "2 and 14 trials can never reach 0.05 for 5 tests corrected together (Holm); 5 of each can."
    )
    assert never(3, 5, new=14, unit=Unit.TRIAL) == ""


@given(st.integers(1, 20), st.integers(1, 600), st.sampled_from([Unit.BLOCK, Unit.TRIAL]))
def test_what_is_said_to_be_impossible_is_and_what_is_named_is_enough(trials, tests, unit):
    paired = unit is Unit.BLOCK
    best = [smallest_p(trials, paired=paired), *[1.0] * (tests - 1)]
    assert (min(holm_correction(best)) > ALPHA) == bool(never(trials, tests, unit=unit))
    needed = least_trials(ALPHA / tests, paired=paired)
    assert never(needed, tests, unit=unit) == ""
    assert needed == 1 or never(needed - 1, tests, unit=unit)


@settings(max_examples=50)
@given(st.integers(6, 20), st.integers(1, 600))
def test_a_survey_marks_a_change_where_as_many_change_as_it_says(blocks, tests):
    text = few_blocks_text(blocks, tests)
    least = smallest_p(blocks, paired=True)
    assert (min(benjamini_hochberg_correction([least, *[1.0] * (tests - 1)])) > ALPHA) == bool(text)
    if text:
        together = math.ceil(least * tests / ALPHA)
        assert f"{together:,} of {tests:,} comparisons" in text
        for count, is_marked in ((together - 1, False), (together, True)):
            ps = benjamini_hochberg_correction([*[least] * count, *[1.0] * (tests - count)])
            assert (min(ps) <= ALPHA) == is_marked


def a_family(trials, tests=5):
    values = [100.0 + block for block in range(trials)]
    return decide([compared(f"row {row}", "rate", values, [value / 2 for value in values]) for row in range(tests)])


def test_compare_says_what_its_trials_could_never_decide():
    assert NEVER in " ".join(markdown(a_family(5)).split())
    assert all(comparison.verdict is Verdict.INCONCLUSIVE for comparison in a_family(5))
    assert "can never reach" not in markdown(a_family(8))
    assert all(comparison.verdict is Verdict.REGRESSED for comparison in a_family(8))
    explored = [dataclasses.replace(comparison, gating=False) for comparison in a_family(5)]
    assert "5 blocks can never reach 0.05: nothing can be marked; 8 can mark a single one." in markdown(explored)


def test_a_gate_says_what_its_trials_could_never_decide():
    def results(trials):
        base, new = dict(enumerate([1000.0] * trials)), dict(enumerate([9000.0] * trials))
        condition = parse_condition("body.p50 <= 1.1x")
        return evaluate_cases([Case(condition, f"row {row}", base, new, Unit.BLOCK) for row in range(5)])

    assert condition_notes(results(5)) == [NEVER]
    assert condition_notes(results(8)) == []
    alone = Case(parse_condition("errors == 0"), "row", None, {0: 0.0})
    assert condition_notes(evaluate_cases([alone])) == []


def test_the_plan_says_it_before_anything_is_run(tmp_path):
    path = tmp_path / "suite.toml"
    path.write_text(
        'trials = 5\n[[scenario]]\nname = "clean"\nport_range = [40000, 40031]\n[scenario.matrix]\nmines = [0, 2]\n'
        + "".join(f'[[gate]]\nexpr = "{expr}"\n' for expr in ("body.p99 <= 1.1x", "rate >= 0.9x", "errors == 0"))
    )
    for width in ("80",):
        shown = connstorm("suite", str(path), "--dry-run", cwd=tmp_path, env=os.environ | {"COLUMNS": width})
        text = " ".join(shown.stdout.split())
        assert "gates: 5 blocks can never reach 0.05 for 4 tests corrected together (Holm); 8 can." in text
        assert "survey: 5 blocks can never reach 0.05: nothing can be marked; 9 can mark a single one." in text
    document = json.loads(connstorm("suite", str(path), "--dry-run", "--json", cwd=tmp_path).stdout)
    assert len(document["notes"]) == 2
    enough = connstorm("suite", str(path), "--dry-run", "--trials", "9", "--json", cwd=tmp_path)
    assert json.loads(enough.stdout)["notes"] == []


def test_the_default_number_of_trials_decides_five_metrics_and_excludes_bursts():
    usual = Suite(name="s", entries=[])
    assert usual.trials == 14
    assert never(usual.trials, 5) == ""
    assert 0.8**usual.trials < ALPHA
    assert "6 blocks or more can reach 0.05 for one test, 8 for 5 and 11 for 40" in least_text()


def is_relative(gate):
    return parse_condition(gate.expr).kind != "absolute"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_suite_can_decide_whatever_it_gates_and_a_survey_says_what_it_is(path):
    suite = load.read(path)
    notes = plan_notes(suite, matrix.build_cells(suite))
    assert not any(note.startswith("gates") for note in notes)
    timed = [gate.expr for gate in suite.gates if find_metric(parse_condition(gate.expr).metric).unit in TIMED_UNITS]
    assert timed == [] or suite.trials >= 14
    has_axes = any(entry.axes for entry in suite.entries)
    assert ("exploratory" in suite.description) == (has_axes and suite.name != "smoke")


def test_smoke_gates_outcomes_causes_and_books_and_takes_less_than_a_minute():
    suite = load.read(SHIPPED / "smoke.toml")
    metrics = [find_metric(parse_condition(gate.expr).metric) for gate in suite.gates]
    assert metrics
    assert not any(is_relative(gate) for gate in suite.gates)
    assert all(metric.unit == "" for metric in metrics)
    seconds = sum(cell_seconds(cell, read_host()) for cell in matrix.build_cells(suite)) * suite.trials
    assert seconds < 60
