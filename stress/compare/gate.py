# SPDX-License-Identifier: MIT
"""Gate: the conditions of a gate applied to stored runs, with or without a baseline."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stress.analysis.comparison.arm_pair import ArmPair, describe_sessions, pair_columns
from stress.analysis.comparison.comparability import explain_refusals
from stress.analysis.comparison.counter_metric import refuse_unknown_counters
from stress.analysis.comparison.projection import LABEL, explain_hidden_differences
from stress.analysis.comparison.quiet import describe_busy, pass_for_quiet
from stress.analysis.gate.absence import absent_trials, hold_to_plan
from stress.analysis.gate.case import Case
from stress.analysis.gate.condition import Condition, parse_condition
from stress.analysis.gate.evaluate import evaluate_cases
from stress.analysis.gate.result import ConditionResult, State
from stress.analysis.gate.self_test import InjectedRegression, inject_regressions
from stress.analysis.gate.stand_in import set_apart, stand_ins
from stress.analysis.metric import find_metric
from stress.compare.absent_trials import absent_lines
from stress.compare.arms import Question, known_calibration, lay_out, read_arms, read_question
from stress.compare.base_history import KnownSessions, known_sessions
from stress.compare.gate_cases import condition_cases
from stress.compare.gate_warnings import absent_new, noise_warnings, risen_counters
from stress.model.errors import NoRunsError, UsageError
from stress.model.observation import Observation
from stress.model.planned import PlannedTrial, TrialState
from stress.model.suite import Gate
from stress.store import suite_folder
from stress.store.planned import read_planned_arm
from stress.store.runs import split_arm, split_label
from stress.store.stored_names import list_stored
from stress.store.suite_folder import SUITE_FILE

NO_BASE = "none"  # in place of a base
REGRESSED, NO_DATA, NO_BASELINE, INCONCLUSIVE = 1, 3, 5, 4  # exit codes


@dataclass(frozen=True)
class GateResult:
    """The result of a gate.

    Attributes:
        conditions: the result of each condition in each row that it applies to.
        warnings: sentences.
        allowed: what the user allowed and was there: ``missing 2``.
    """

    conditions: list[ConditionResult]
    warnings: list[str]
    allowed: list[str] = field(default_factory=list)

    def has(self, state: State) -> bool:
        """Return whether any condition has a state, one that is excused left out."""
        return any(condition.state is state and not condition.excused for condition in self.conditions)

    @property
    def tests(self) -> int:
        """How many comparisons were corrected together."""
        return sum(condition.adjusted_p is not None for condition in self.conditions)

    @property
    def verdict(self) -> str:
        """The most severe state of all conditions, in a word."""
        words = {
            State.BROKEN: "regressed",
            State.NO_DATA: "no-data",
            State.NO_BASELINE: "no-baseline",
            State.INCONCLUSIVE: "inconclusive",
        }
        return next((word for state, word in words.items() if self.has(state)), "passed")

    def exit_code(self, *, strict: bool, require_baseline: bool) -> int:
        """Return the exit code of the most severe state that makes the gate fail."""
        if self.has(State.BROKEN):
            return REGRESSED
        if self.has(State.NO_DATA):
            return NO_DATA
        if self.has(State.NO_BASELINE) and require_baseline:
            return NO_BASELINE
        return INCONCLUSIVE if self.has(State.INCONCLUSIVE) and strict else 0


@dataclass(frozen=True)
class GateCases:
    """The cases of a gate, warnings about them, the arms in each row, and what the user allowed and was there."""

    cases: list[Case]
    warnings: list[str]
    pairs: list[ArmPair]
    allowed: list[str] = field(default_factory=list)


def evaluate_gate(question: Question, exprs: Sequence[str]) -> GateResult:
    """Apply the conditions of a gate.

    Args:
        question: of two arms, base and new.
        exprs: conditions in addition to those of the new arm's suite.

    Raises:
        UsageError: a condition cannot be parsed, there is no condition, or the new arm cannot be read.
    """
    gate = gate_cases(question, exprs)
    results = hold_to_plan(gate.cases, evaluate_cases(gate.cases), question.allow_missing)
    absent = len(absent_trials(gate.cases))
    allowed = [f"missing {absent}"] if 0 < absent <= question.allow_missing else []
    return GateResult(results, [*gate.warnings, *risen_counters(results, gate.pairs)], [*allowed, *gate.allowed])


def self_test_gate(question: Question, exprs: Sequence[str]) -> tuple[list[InjectedRegression], list[str]]:
    """Return whether the gate fails on injected regressions, and warnings; see ``inject_regressions``.

    Raises:
        UsageError: as ``evaluate_gate``.
    """
    gate = gate_cases(question, exprs)
    return inject_regressions([case for case in gate.cases if case.new or case.base]), gate.warnings


def gate_cases(question: Question, exprs: Sequence[str]) -> GateCases:
    """Return a case for every condition and every row that it applies to."""
    new_arm = question.arms[-1]
    planned = read_planned_arm(new_arm)
    new_runs = read_new_arm(new_arm, planned)
    label, path, _ = split_arm(new_arm)
    conditions = scoped_conditions(exprs, path)
    needs_base = any(condition.kind != "absolute" for condition, _ in conditions)
    runs, warnings = read_with_baseline(question, new_runs, needs_base=needs_base) if new_runs else ([], [])
    new = (new_runs[0].label if runs is new_runs else runs[-1].label) if new_runs else label or path.name
    refuse_unknown_counters((find_metric(condition.metric) for condition, _ in conditions), runs)
    absent = stand_ins(planned, new_runs, new)
    by, rows = lay_out(replace(question, cols=(LABEL,)), [*runs, *absent])
    parts = set_apart(rows, new)
    refused = explain_refusals([part.row for part in parts], by.cols, question.allowed)
    if refused:
        warnings += [f"{sentence} Until then there is no baseline." for sentence in refused]
        parts = [replace(part, base=[]) for part in parts if part.new or part.absent]
    warnings += explain_hidden_differences([part.row for part in parts], by)
    busy = describe_busy([part.row for part in parts], is_allowed=question.allow_busy)
    warnings += busy
    if question.allow_busy:
        parts = [replace(part, base=pass_for_quiet(part.base), new=pass_for_quiet(part.new)) for part in parts]
    pairs = list(pair_columns(part.row for part in parts if part.new))
    warnings += describe_sessions(pairs)
    left_out = {run.scenario for run in [*runs, *absent]} - {name for part in parts for name in part.scenarios}
    warnings += [
        f"{condition} is about {scenario}, which --filter leaves out"
        for condition, scenario in conditions
        if scenario in left_out
    ]
    conditions = [(condition, scenario) for condition, scenario in conditions if scenario not in left_out]
    if not conditions:
        raise UsageError("No condition is about what --filter leaves; give --expr, or filter less.")
    known = known_sessions(question.results, runs, known_calibration) if runs else KnownSessions(None, ())
    cases = [case for condition, scenario in conditions for case in condition_cases(condition, scenario, parts, known)]
    warnings += noise_warnings(question, cases, runs)
    if new_runs and runs is not new_runs and question.base_history is None:
        warnings += absent_lines(question.arms[:1], [run for run in runs if run.label != new], question.filters)
    warnings += absent_new(cases, path, question.allow_missing)
    return GateCases(cases, warnings, pairs, ["busy"] if busy and question.allow_busy else [])


def scoped_conditions(exprs: Iterable[str], path: Path) -> list[tuple[Condition, str | None]]:
    """Return the conditions of a gate, each with the scenario that it is about, or None for all.

    Raises:
        UsageError: one cannot be parsed, or there is none.
    """
    gates = [*(Gate(expr=expr) for expr in exprs), *suite_gates(path)]
    if not gates:
        raise UsageError(f"There is no condition for {path}: give --expr, or a [[gate]] in its suite file.")
    return [(parse_condition(gate.expr), gate.scenario) for gate in gates]


def read_new_arm(argument: str, planned: Sequence[PlannedTrial]) -> list[Observation]:
    """Return the runs of the new arm, none where all of its planned trials are without one.

    Raises:
        UsageError: it is no arm, it is damaged, or nothing was planned in it.
    """
    if planned and all(trial.state is not TrialState.DONE for trial in planned):
        return []
    return read_arms([argument])


def read_with_baseline(
    question: Question, new_runs: list[Observation], *, needs_base: bool
) -> tuple[list[Observation], list[str]]:
    """Return the runs of both arms; if there is no baseline, those of the new arm, and a warning if one is needed."""
    if question.base_history is None and is_no_base(question.arms[0]):
        return new_runs, ["There is no baseline."] if needs_base else []
    try:
        return read_question(question)
    except NoRunsError as error:
        return new_runs, [f"There is no baseline: {error}"]


def is_no_base(argument: str) -> bool:
    """Return whether an argument is NO_BASE, with or without a label, and no path."""
    return split_label(argument)[1] == NO_BASE and not Path(NO_BASE).exists()


def suite_gates(path: Path) -> list[Gate]:
    """Return the gates of a suite folder; of a folder of several suites, those of the newest; else none."""
    if (path / SUITE_FILE).is_file():
        return suite_folder.read(path).suite.gates
    if not path.is_dir():
        return []
    newest = next((entry.path for entry in list_stored(path, only_suites=True)), None)
    return suite_folder.read(newest).suite.gates if newest else []
