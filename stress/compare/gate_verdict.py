# SPDX-License-Identifier: MIT
"""The files of a gate: its verdict, or why there is none, for programs, CI systems and people."""

from collections.abc import Sequence

from stress import __version__
from stress.analysis.gate.result import ConditionResult
from stress.compare.gate import GateResult
from stress.model.errors import ConnstormError
from stress.model.planned import PlannedTrial
from stress.store.verdict_file import (
    JUNIT_NAME,
    SUMMARY_NAME,
    VERDICT_NAME,
    VERDICT_SCHEMA,
    ConditionRecord,
    TrialRecord,
    VerdictFile,
    encode,
)
from stress.view.text.design_wording import condition_notes
from stress.view.text.gate_markdown import error_markdown, markdown
from stress.view.text.gate_wording import sentence
from stress.view.text.junit import junit_error, junit_xml

PROGRAM = f"connstorm {__version__}"
NO_DATA = "no-data"


def verdict_of(result: GateResult, base: str, new: str, code: int) -> VerdictFile:
    """Return the verdict of a gate, whose arms are as the user named them."""
    return VerdictFile(
        schema=VERDICT_SCHEMA,
        program=PROGRAM,
        verdict=result.verdict,
        exit_code=code,
        base=base,
        new=new,
        tests=result.tests,
        conditions=[condition_record(condition) for condition in result.conditions],
        warnings=[*result.warnings, *condition_notes(result.conditions)],
        allowed=result.allowed,
    )


def condition_record(result: ConditionResult) -> ConditionRecord:
    """Return the result of a condition as it is stored."""
    return ConditionRecord(
        expr=str(result.condition),
        row=result.row,
        state=result.state.value,
        sentence=sentence(result),
        base=result.base.median if result.base else None,
        new=result.new.median if result.new else None,
        base_trials=result.base.trials if result.base else 0,
        new_trials=result.new.trials if result.new else 0,
        effect=result.effect,
        low=result.low,
        high=result.high,
        limit=result.limit,
        adjusted_p=result.adjusted_p,
        more_trials=result.more_trials,
        held_back=result.held_back,
        planned=result.planned,
        breaking=[TrialRecord(trial=one.name, value=one.value, causes=one.causes) for one in result.breaking],
        absent=[absent_record(trial) for trial in result.absent],
        allowed=result.excused,
        unit=result.unit.value,
    )


def absent_record(trial: PlannedTrial) -> TrialRecord:
    """Return a trial without a value as it is stored."""
    return TrialRecord(trial=trial.name, cell=trial.cell, state=trial.state.value, reason=trial.reason)


def error_verdict(error: ConnstormError, base: str, new: str) -> VerdictFile:
    """Return the verdict of a gate in which nothing could be evaluated: there is no data, and the reason."""
    return VerdictFile(
        schema=VERDICT_SCHEMA,
        program=PROGRAM,
        verdict=NO_DATA,
        exit_code=error.exit_code,
        base=base,
        new=new,
        tests=0,
        conditions=[],
        warnings=[],
        error=str(error),
    )


def gate_files(verdict: VerdictFile, conditions: Sequence[ConditionResult]) -> dict[str, bytes]:
    """Return the files of a gate by name, the verdict last: what is there before it is no verdict."""
    if verdict.error is not None:
        junit, summary = junit_error(verdict.error), error_markdown(verdict.error)
    else:
        junit, summary = junit_xml(conditions, verdict.allowed), markdown(conditions, verdict.warnings, verdict.allowed)
    return {JUNIT_NAME: junit, SUMMARY_NAME: summary.encode(), VERDICT_NAME: encode(verdict)}
