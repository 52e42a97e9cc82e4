# SPDX-License-Identifier: MIT
"""Wording of the trials that break a condition: how many attempts, in which trials, and of what cause."""

from collections.abc import Sequence

from stress.analysis.gate.result import ConditionResult, State
from stress.analysis.gate.trial_value import TrialValue, cause_of
from stress.analysis.metric import Metric, find_metric
from stress.analysis.statistics.trials import TIMED_UNITS
from stress.model.text import plural
from stress.view.text import metric_wording as words
from stress.view.text.absence_wording import absence_text, names_text

# What a metric counts, where that is not attempts.
NOUNS = {
    "unbalanced": ("claim of the books", "claims of the books"),
    "mines.left": ("mine", "mines"),
    "retransmits": ("SYN sent again", "SYNs sent again"),
}
COUNTER_PREFIX = "counter."
CAUSES_SHOWN = 3


def breaking_text(result: ConditionResult) -> str:
    """Return which trials break a condition: ``17 attempts in 1 of 6 trials (0005-closewait): stalled``, or ``""``."""
    trials = result.breaking
    if not trials:
        return ""
    metric = find_metric(result.condition.metric)
    measured = result.planned - len(result.absent)
    where = f"in {len(trials)} of {plural(measured, 'trial')} ({names_text([trial.name for trial in trials])})"
    return f"{amount_text(trials, metric)} {where}{causes_text(trials, metric)}"


def amount_text(trials: Sequence[TrialValue], metric: Metric) -> str:
    """Return what some trials have in a metric: a range of times or rates, or the sum of a count."""
    if metric.unit in TIMED_UNITS:
        return values_text(trials, metric)
    count = round(sum(trial.count(metric) for trial in trials))
    usual = ("event", "events") if metric.name.startswith(COUNTER_PREFIX) else ("attempt", "attempts")
    return plural(count, *NOUNS.get(metric.name, usual))


def values_text(trials: Sequence[TrialValue], metric: Metric) -> str:
    """Return the lowest and the highest value of some trials, once if they are written alike."""
    values = sorted(trial.value for trial in trials)
    return "–".join(dict.fromkeys(words.value_text(metric, value) for value in (values[0], values[-1])))


def causes_text(trials: Sequence[TrialValue], metric: Metric) -> str:
    """Return the cause of what was counted, after a colon; of several that the trials have, each with its count."""
    if metric.unit in TIMED_UNITS or metric.name in NOUNS or metric.name.startswith(COUNTER_PREFIX):
        return ""
    if (cause := cause_of(trials, metric)) is not None:
        return f": {cause.replace('_', ' ')}"
    counts: dict[str, int] = {}
    for trial in trials:
        for name, count in trial.causes.items():
            counts[name] = counts.get(name, 0) + count
    named = sorted(counts.items(), key=lambda item: -item[1])
    shown = [f"{count:,} {name.replace('_', ' ')}" for name, count in named[:CAUSES_SHOWN]]
    return f"; causes there: {', '.join(shown)}" if shown else ""


def new_value_texts(result: ConditionResult) -> tuple[str, str] | None:
    """Return the values of the trials that break an absolute condition, and how many trials these are; or None."""
    if result.condition.kind != "absolute" or not result.breaking:
        return None
    measured = plural(result.planned - len(result.absent), "trial")
    return values_text(result.breaking, find_metric(result.condition.metric)), f"{len(result.breaking)} of {measured}"


def why_lines(results: Sequence[ConditionResult]) -> list[str]:
    """Return what breaks conditions, and what data others do not have: a sentence each, rows without data once."""
    lines: dict[str, None] = {}
    for result in results:
        where = f"{result.condition} of {result.row}" if result.row else f"{result.condition}"
        if result.state in (State.BROKEN, State.INCONCLUSIVE) and result.breaking:
            lines[f"{where}: {breaking_text(result)}."] = None
    for result in results:
        if result.absent:
            lines[f"{result.row or 'all'}: {absence_text(result.planned, result.absent)}."] = None
        elif result.state is State.NO_DATA and result.reason:
            lines[f"{result.condition}: {result.reason}."] = None
    return list(lines)
