# SPDX-License-Identifier: MIT
"""Gate: the conditions of a gate applied to stored runs, with or without a baseline."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stress.analysis.comparison.arm_pair import describe_sessions, pair_arms, pair_columns, values_by_key
from stress.analysis.comparison.comparability import explain_refusals
from stress.analysis.comparison.projection import Row, explain_hidden_differences
from stress.analysis.comparison.session_spread import one_session_each, pair_spread
from stress.analysis.gate.case import Case
from stress.analysis.gate.condition import Condition, parse_condition
from stress.analysis.gate.evaluate import evaluate_cases
from stress.analysis.gate.result import ConditionResult, State
from stress.analysis.gate.self_test import InjectedRegression, inject_regressions
from stress.analysis.metric import find_metric
from stress.analysis.statistics.trials import TIMED_UNITS
from stress.compare.arms import Question, known_calibration, lay_out, read_arms, read_question
from stress.compare.base_history import KnownSessions, known_sessions
from stress.model.errors import NoRunsError, UsageError
from stress.model.observation import Observation
from stress.model.suite import Gate, Status
from stress.model.text import plural
from stress.model.units import MILLION
from stress.store import suite_folder
from stress.store.runs import split_label
from stress.store.stored_names import list_stored
from stress.store.suite_folder import SUITE_FILE

REGRESSED, NO_DATA, NO_BASELINE, INCONCLUSIVE = 1, 3, 5, 4  # exit codes


@dataclass(frozen=True)
class GateResult:
    """The result of a gate.

    Attributes:
        conditions: the result of each condition in each row that it applies to.
        warnings: sentences.
    """

    conditions: list[ConditionResult]
    warnings: list[str]

    def has(self, state: State) -> bool:
        """Return whether any condition has a state."""
        return any(condition.state is state for condition in self.conditions)

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
    """The cases of a gate, and warnings about them."""

    cases: list[Case]
    warnings: list[str]


def evaluate_gate(question: Question, exprs: Sequence[str]) -> GateResult:
    """Apply the conditions of a gate.

    Args:
        question: of two arms, base and new.
        exprs: conditions in addition to those of the new arm's suite.

    Raises:
        UsageError: a condition cannot be parsed, there is no condition, or the new arm cannot be read.
    """
    gate = gate_cases(question, exprs)
    return GateResult(evaluate_cases(gate.cases), gate.warnings)


def self_test_gate(question: Question, exprs: Sequence[str]) -> tuple[list[InjectedRegression], list[str]]:
    """Return whether the gate fails on injected regressions, and warnings; see ``inject_regressions``.

    Raises:
        UsageError: as ``evaluate_gate``.
    """
    gate = gate_cases(question, exprs)
    return inject_regressions([case for case in gate.cases if case.new or case.base]), gate.warnings


def gate_cases(question: Question, exprs: Sequence[str]) -> GateCases:
    """Return a case for every condition and every row that it applies to."""
    new_runs = read_arms(question.arms[-1:])
    _, new_path = split_label(question.arms[-1])
    gates = [*(Gate(expr=expr) for expr in exprs), *suite_gates(Path(new_path.partition("#")[0]))]
    conditions = [(parse_condition(gate.expr), gate.scenario) for gate in gates]
    if not conditions:
        raise UsageError(f"There is no condition for {new_path}: give --expr, or a [[gate]] in its suite file.")
    runs, warnings = read_with_baseline(question, new_runs)
    by, rows = lay_out(question, runs)
    new = new_runs[0].label if runs is new_runs else runs[-1].label
    refused = explain_refusals(rows, by.cols, question.allowed)
    if refused:
        warnings += [f"{sentence} Until then there is no baseline." for sentence in refused]
        rows = [replace(row, columns={new: row.columns[new]} if new in row.columns else {}) for row in rows]
    warnings += [*explain_hidden_differences(rows, by), *failed_trials(Path(new_path.partition("#")[0]))]
    warnings += describe_sessions(pair_columns(row for row in rows if row.columns))
    known = known_sessions(question.results, runs, known_calibration)
    cases = [
        case for condition, scenario in conditions for case in condition_cases(condition, scenario, rows, new, known)
    ]
    return GateCases(cases, [*warnings, *noise_warnings(question, cases, runs)])


def read_with_baseline(question: Question, new_runs: list[Observation]) -> tuple[list[Observation], list[str]]:
    """Return the runs of both arms; if there is no baseline, those of the new arm, and a warning."""
    try:
        return read_question(question)
    except NoRunsError as error:
        return new_runs, [f"There is no baseline: {error}"]


def suite_gates(path: Path) -> list[Gate]:
    """Return the gates of a suite folder; of a folder of several suites, those of the newest; else none."""
    if (path / SUITE_FILE).is_file():
        return suite_folder.read(path).suite.gates
    if not path.is_dir():
        return []
    newest = next((entry.path for entry in list_stored(path) if entry.is_suite), None)
    return suite_folder.read(newest).suite.gates if newest else []


def failed_trials(path: Path) -> list[str]:
    """Return a warning if trials of a suite have failed, whose results are missing."""
    if not (path / SUITE_FILE).is_file():
        return []
    records = suite_folder.read_records(path).values()
    failed = sum(record.status is Status.FAILED for record in records)
    return [f"{failed} of {plural(len(records), 'trial')} of the new arm failed; see its index.json"] if failed else []


def condition_cases(
    condition: Condition, scenario: str | None, rows: Iterable[Row], new: str, known: KnownSessions
) -> Iterable[Case]:
    """Yield a case for each row that a condition applies to; without such a row, one case without data."""
    timed = find_metric(condition.metric).unit in TIMED_UNITS
    has_case = False
    for row in rows:
        runs = [run for column in row.columns.values() for run in column]
        if not runs or (scenario is not None and all(run.scenario != scenario for run in runs)):
            continue
        if timed and not all(run.timed for run in runs):
            continue
        has_case = True
        yield case_of_row(condition, row, new, known)
    if not has_case:
        yield Case(condition, scenario or "", None, {})


def case_of_row(condition: Condition, row: Row, new: str, known: KnownSessions) -> Case:
    """Return the case of a condition and one row."""
    measured = find_metric(condition.metric)
    if new not in row.columns:
        return Case(condition, row.name, None, {})
    others = [column for column in row.columns if column != new]
    if not others:
        return Case(condition, row.name, None, values_by_key(dict(enumerate(row.columns[new])), measured))
    pair = pair_arms(row.name, others[0], new, row.columns[others[0]], row.columns[new])
    base, values = pair.values(measured)
    if condition.kind == "absolute":  # it must hold for every trial, of whatever session
        values = values_by_key(dict(enumerate(row.columns[new])), measured)
        return Case(condition, row.name, base, values, attempts=pair.attempts or MILLION)
    spread = pair_spread(pair, measured, known.calibration, known.others)
    return Case(
        condition,
        row.name,
        base,
        values,
        pair.unit(measured),
        pair.attempts or MILLION,
        held_back=one_session_each(pair, measured, spread),
        spread=spread,
    )


def noise_warnings(question: Question, cases: Iterable[Case], runs: Sequence[Observation]) -> list[str]:
    """Return a warning for each condition that allows less than the noise of this machine by its calibration."""
    testbeds = {run.host.testbed for run in runs}
    known = known_calibration(question.results, testbeds)
    sentences = {}
    for case in cases:
        condition = case.condition
        floor = known.floor(condition.metric) if known else None
        if floor is None or condition.kind not in ("ratio", "relative") or case.metric.unit not in TIMED_UNITS:
            continue
        allowed = abs(condition.value - 1) if condition.kind == "ratio" else abs(condition.value)
        if allowed < floor:
            sentences[str(condition)] = (
                f"{condition} allows {allowed:.0%}, but {condition.metric} moves by up to {floor:.0%} on this machine "
                "when nothing changes (connstorm calibrate); allow more, or run more trials"
            )
    return list(sentences.values())
