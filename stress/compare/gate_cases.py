# SPDX-License-Identifier: MIT
"""The cases of a gate: each of its conditions with the values of each row that it applies to."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from stress.analysis.comparison.arm_pair import pair_arms, values_by_key
from stress.analysis.comparison.counter_metric import value_of
from stress.analysis.comparison.quiet import busy_sides, count_busy, held_by_busy
from stress.analysis.comparison.session_spread import one_session_each, pair_spread
from stress.analysis.gate.case import Case
from stress.analysis.gate.condition import Condition
from stress.analysis.gate.stand_in import GateRow, absent_here, trial_of_run
from stress.analysis.gate.trial_value import trial_values
from stress.analysis.gate.unexplained import held_by_busy_unknown
from stress.analysis.metric import Metric, find_metric
from stress.analysis.statistics.trials import TIMED_UNITS
from stress.compare.base_history import KnownSessions
from stress.model.observation import Observation
from stress.model.planned import PlannedTrial
from stress.model.summary import Summary
from stress.model.units import MILLION
from stress.store.planned import trial_name

UNTIMED = "times of its trials are not valid: they ran in parallel, under a profiler, or on an emulated machine"


def condition_cases(
    condition: Condition, scenario: str | None, rows: Sequence[GateRow], known: KnownSessions
) -> Iterable[Case]:
    """Yield a case for each row that a condition applies to; without such a row, one case without data.

    A condition on times does not apply where trials do not measure any.
    """
    timed = find_metric(condition.metric).unit in TIMED_UNITS
    of_scenario = [row for row in rows if scenario is None or scenario in row.scenarios]
    chosen = [row for row in of_scenario if row.is_timed or not timed]
    for row in chosen:
        yield case_of_row(condition, row, known)
    if not chosen:
        reason = UNTIMED if of_scenario else f"there is no scenario {scenario}" if scenario else "there is no row"
        yield Case(condition, scenario or "", None, {}, reason=reason)


def case_of_row(condition: Condition, row: GateRow, known: KnownSessions) -> Case:
    """Return the case of a condition and one row."""
    metric = find_metric(condition.metric)
    timed = metric.unit in TIMED_UNITS
    base = row.base if not timed or all(run.timed for run in row.base) else []
    absent = [*row.absent, *valueless_trials(condition, metric, row.new)]
    if not row.new and not row.absent:
        absent = absent_here(row.base)
    alone = Case(
        condition,
        row.name,
        None,
        values_by_key(dict(enumerate(row.new)), metric),
        planned=len(row.new) + len(row.absent) or len(absent),
        absent=tuple(absent),
        trials=trial_values(row.new, metric, lambda run: trial_name(run.path)),
    )
    if condition.kind == "absolute" or not base or not row.new:
        if timed:
            return replace(alone, held_back=busy_sides({row.columns[1]: count_busy(row.new)}))
        is_absolute = condition.kind == "absolute"
        return replace(alone, held_back=held_by_busy_unknown(condition, metric, row.new) if is_absolute else None)
    pair = pair_arms(row.name, *row.columns, base, row.new)
    old, new = pair.values(metric)
    spread = pair_spread(pair, metric, known.calibration, known.others)
    return replace(
        alone,
        base=old,
        new=new,
        unit=pair.unit(metric),
        attempts=pair.attempts or MILLION,
        held_back=held_by_busy(pair, metric) or one_session_each(pair, metric, spread),
        spread=spread,
    )


def valueless_trials(condition: Condition, metric: Metric, runs: Iterable[Observation]) -> list[PlannedTrial]:
    """Return the runs that are done and say nothing about a condition, as trials without a value.

    A time or rate of 0 has no ratio to the base's, so comparisons leave it out.
    """
    trials = []
    for run in runs:
        value = value_of(metric, run)
        if value is None:
            reason = missing_value_text(metric, run.summary)
        elif condition.kind != "absolute" and metric.unit in TIMED_UNITS and value <= 0:
            reason = f"its {metric.name} is 0"
        else:
            continue
        trials.append(trial_of_run(run, trial_name(run.path), reason))
    return trials


def missing_value_text(metric: Metric, summary: Summary) -> str:
    """Return why a run that is done has no value of a metric."""
    if metric.counter:
        return f"it did not record {metric.counter}"
    if not summary.attempts:
        return "it made no attempt"
    if metric.name.startswith("body."):
        return "no attempt connected at once"
    return "it has no books" if metric.name == "unbalanced" else f"its {metric.name} is not known"
