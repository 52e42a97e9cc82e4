# SPDX-License-Identifier: MIT
"""Judge: the conditions of a gate applied to stored runs, with or without a baseline."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stress.analysis.comparison.arm_pair import pair_arms, values_by_key
from stress.analysis.comparison.comparability import explain_refusals
from stress.analysis.comparison.projection import Row, explain_hidden_differences
from stress.analysis.gate.condition import Condition, parse_condition
from stress.analysis.gate.evaluate import Case, ConditionResult, State, evaluate_cases
from stress.analysis.gate.self_test import InjectedRegression, inject_regressions
from stress.analysis.metric import find_metric
from stress.analysis.statistics.trials import TIMED_UNITS
from stress.compare.arms import Question, known_calibration, lay_out, read_arms
from stress.model.errors import NoRunsError, UsageError
from stress.model.observation import Observation
from stress.model.suite import Gate, Status
from stress.model.units import MILLION
from stress.store import suite_folder
from stress.store.runs import split_label
from stress.store.suite_folder import SUITE_FILE

REGRESSED, NO_DATA, NO_BASELINE, INCONCLUSIVE = 1, 3, 5, 4  # exit codes


@dataclass(frozen=True)
class GateResult:
    """What a gate came to.

    Attributes:
        rulings: each condition in each row that it is about.
        warnings: sentences.
    """

    rulings: list[ConditionResult]
    warnings: list[str]

    def has(self, state: State) -> bool:
        """Return whether any ruling says so."""
        return any(ruling.state is state for ruling in self.rulings)

    @property
    def tests(self) -> int:
        """How many comparisons were corrected together."""
        return sum(ruling.adjusted_p is not None for ruling in self.rulings)

    @property
    def verdict(self) -> str:
        """All rulings in a word, the gravest."""
        grave = {
            State.BROKEN: "regressed",
            State.NO_DATA: "no-data",
            State.NO_BASELINE: "no-baseline",
            State.INCONCLUSIVE: "inconclusive",
        }
        return next((word for state, word in grave.items() if self.has(state)), "passed")

    def exit_code(self, *, strict: bool, require_baseline: bool) -> int:
        """Return the exit code: of what is grave enough to fail for, the gravest."""
        if self.has(State.BROKEN):
            return REGRESSED
        if self.has(State.NO_DATA):
            return NO_DATA
        if self.has(State.NO_BASELINE) and require_baseline:
            return NO_BASELINE
        return INCONCLUSIVE if self.has(State.INCONCLUSIVE) and strict else 0


@dataclass(frozen=True)
class GateCases:
    """The cases of a gate, and what is to be known of them."""

    cases: list[Case]
    warnings: list[str]


def evaluate_gate(question: Question, exprs: Sequence[str]) -> GateResult:
    """Return what a gate comes to.

    Args:
        question: of two arms, base and new.
        exprs: conditions besides those of the new arm's suite.

    Raises:
        UsageError: a condition cannot be read, there is none, or the new arm cannot be read.
    """
    found = gate_cases(question, exprs)
    return GateResult(evaluate_cases(found.cases), found.warnings)


def self_test_gate(question: Question, exprs: Sequence[str]) -> tuple[list[InjectedRegression], list[str]]:
    """Return whether the gate closes when it should, on copies of the data; see ``rehearse``.

    Raises:
        UsageError: as ``judge``.
    """
    found = gate_cases(question, exprs)
    return inject_regressions([case for case in found.cases if case.new or case.base]), found.warnings


def gate_cases(question: Question, exprs: Sequence[str]) -> GateCases:
    """Return every condition with what it is applied to."""
    new_runs = read_arms(question.arms[1:])
    _, new_path = split_label(question.arms[1])
    gates = [*(Gate(expr=expr) for expr in exprs), *suite_gates(Path(new_path.partition("#")[0]))]
    conditions = [(parse_condition(gate.expr), gate.scenario) for gate in gates]
    if not conditions:
        raise UsageError(f"There is nothing to hold {new_path} to: give --expr, or a [[gate]] in its suite file.")
    runs, warnings = read_with_baseline(question, new_runs)
    by, rows = lay_out(question, runs)
    new = new_runs[0].label if runs is new_runs else runs[-1].label
    refused = explain_refusals(rows, by.cols, question.allowed)
    if refused:
        warnings += [f"{sentence} Until then there is no baseline." for sentence in refused]
        rows = [replace(row, columns={new: row.columns[new]} if new in row.columns else {}) for row in rows]
    warnings += [*explain_hidden_differences(rows, by), *failed_trials(Path(new_path.partition("#")[0]))]
    found = [case for condition, scenario in conditions for case in condition_cases(condition, scenario, rows, new)]
    return GateCases(found, [*warnings, *noise_warnings(question, found, runs)])


def read_with_baseline(question: Question, new_runs: list[Observation]) -> tuple[list[Observation], list[str]]:
    """Return the runs of both arms; if there is no baseline, those of the new one, and a sentence that says so."""
    try:
        return read_arms(question.arms), []
    except NoRunsError as error:
        return new_runs, [f"There is no baseline: {error}"]


def suite_gates(path: Path) -> list[Gate]:
    """Return the gates of a suite folder; none of anything else."""
    return suite_folder.read(path).suite.gates if (path / SUITE_FILE).is_file() else []


def failed_trials(path: Path) -> list[str]:
    """Return a sentence if trials of a suite have failed: what they would have said is not known."""
    if not (path / SUITE_FILE).is_file():
        return []
    records = suite_folder.read_records(path).values()
    failed = sum(record.status is Status.FAILED for record in records)
    return [f"{failed} of {len(records)} trials of the new arm failed; see its index.json"] if failed else []


def condition_cases(condition: Condition, scenario: str | None, rows: Iterable[Row], new: str) -> Iterable[Case]:
    """Yield a condition with each row that it is about; with none, if there is none."""
    timed = find_metric(condition.metric).unit in TIMED_UNITS
    none = True
    for row in rows:
        runs = [run for found in row.columns.values() for run in found]
        if not runs or (scenario is not None and all(run.scenario != scenario for run in runs)):
            continue
        if timed and not all(run.timed for run in runs):
            continue
        none = False
        yield case_of_row(condition, row, new)
    if none:
        yield Case(condition, scenario or "", None, {})


def case_of_row(condition: Condition, row: Row, new: str) -> Case:
    """Return a condition with the runs of one row."""
    measured = find_metric(condition.metric)
    if new not in row.columns:
        return Case(condition, row.name, None, {})
    others = [column for column in row.columns if column != new]
    if not others:
        return Case(condition, row.name, None, values_by_key(dict(enumerate(row.columns[new])), measured))
    pair = pair_arms(row.name, others[0], new, row.columns[others[0]], row.columns[new])
    base, values = pair.values(measured)
    return Case(condition, row.name, base, values, pair.paired, pair.attempts or MILLION)


def noise_warnings(question: Question, found: Iterable[Case], runs: Sequence[Observation]) -> list[str]:
    """Return a sentence for each condition that allows less than what this machine does when nothing changes."""
    testbeds = {run.host.testbed for run in runs}
    known = known_calibration(question.results, testbeds)
    sentences = {}
    for case in found:
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
