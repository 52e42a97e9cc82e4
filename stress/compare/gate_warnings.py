# SPDX-License-Identifier: MIT
"""Warnings of a gate: what is missing, what moves by itself, and what rose along with what broke."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from stress.analysis.comparison.arm_pair import ArmPair
from stress.analysis.comparison.moved_counters import describe_rises
from stress.analysis.gate.absence import absent_trials
from stress.analysis.gate.case import Case
from stress.analysis.gate.result import ConditionResult, State
from stress.analysis.statistics.trials import TIMED_UNITS
from stress.compare.arms import Question, known_calibration
from stress.model.observation import Observation
from stress.model.planned import TrialState
from stress.model.text import plural
from stress.store.suite_folder import SUITE_FILE


def absent_new(cases: Sequence[Case], path: Path, allowed: int) -> list[str]:
    """Return what to do about planned trials of the new arm that have no value; nothing where all have one."""
    absent = absent_trials(cases)
    if not absent:
        return []
    states = {trial.state for trial in absent}
    advice = [f"--allow-missing {len(absent)} passes without {'them' if absent[1:] else 'it'}"]
    if len(absent) <= allowed or not any(case.new for case in cases):
        advice = []
    if states & {TrialState.MISSING, TrialState.INTERRUPTED, TrialState.FAILED} and (path / SUITE_FILE).is_file():
        retry = " --retry-failed" if TrialState.FAILED in states else ""
        advice.insert(0, f"connstorm suite {path} --resume{retry} runs what is missing")
    if TrialState.NOT_APPLICABLE in states:
        advice.insert(0, "leave cells that do not apply here out of the suite, or look at the others by --filter")
    text = f"{plural(len(absent), 'planned trial')} of the new arm without data"
    return [": ".join(filter(None, [text, "; ".join(advice)]))]


def risen_counters(results: Sequence[ConditionResult], pairs: Sequence[ArmPair]) -> list[str]:
    """Return which of the kernel's counters rose along with causes or waiting attempts that break conditions."""
    by_row = {pair.row: pair for pair in pairs}
    broken = [result for result in results if result.state is State.BROKEN and result.row in by_row]
    return describe_rises((by_row[result.row], result.condition.metric) for result in broken)


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
