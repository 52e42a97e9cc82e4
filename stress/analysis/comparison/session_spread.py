# SPDX-License-Identifier: MIT
"""How far sessions of a pair of arms differ when nothing changes, by a calibration or by the history of its machine."""

import math
from collections.abc import Iterable, Sequence
from statistics import median_low

import numpy as np

from stress.analysis.comparison.arm_pair import ArmPair
from stress.analysis.comparison.comparability import side_differences
from stress.analysis.comparison.sessions import ONE_EACH, quiet_runs, runs_by_session, session_values
from stress.analysis.comparison.verdict import Unit
from stress.analysis.metric import Metric
from stress.analysis.statistics.session import SessionSpread
from stress.analysis.statistics.session_tail import evenness
from stress.model.calibration import Calibration
from stress.model.observation import Observation

OWN_FREEDOM_MIN = 3  # degrees of freedom of the sessions of both arms, from which on they alone say how far they differ


def pair_spread(
    pair: ArmPair, metric: Metric, calibration: Calibration | None, others: Sequence[Observation]
) -> SessionSpread | None:
    """Return how far sessions differ in a metric; None where that is not known, or not needed.

    It is needed where the arms are compared by sessions, and have too few to say it. A calibration of the scenario says
    it, else other sessions of the same plan, machine, kernel and settings. Those of different programs may differ by
    what was changed, so that only sessions of one program are held against each other.

    Args:
        pair: the arms.
        metric: the metric.
        calibration: of the machine.
        others: further runs; those of the pair's sessions say nothing.
    """
    if pair.unit(metric) is not Unit.SESSION or own_freedom(pair, metric) >= OWN_FREEDOM_MIN:
        return None
    return calibrated_spread(pair, metric, calibration) or stored_spread(pair, metric, others)


def own_freedom(pair: ArmPair, metric: Metric) -> int:
    """Return the degrees of freedom of the sessions of both arms."""
    return sum(max(0, len(values) - 1) for values in pair.values(metric))


def trials_of_session(runs: Iterable[Observation]) -> int:
    """Return how many trials a session has; the lower middle number where they differ."""
    return median_low([len(of_session) for of_session in runs_by_session(runs).values()])


def of_fewer_trials(spread: SessionSpread, trials: int, pair: ArmPair) -> SessionSpread:
    """Return the spread of sessions that have as many trials as those of a pair.

    With fewer trials each value is less exact. If all of the spread were noise of trials, it would grow by the root;
    what sessions differ by does not, so that this is never too little.

    Args:
        spread: of other sessions.
        trials: how many each of them has.
        pair: the arms.
    """
    fewest = min(trials_of_session(pair.base_runs.values()), trials_of_session(pair.new_runs.values()))
    return SessionSpread(spread.sd * math.sqrt(max(1.0, trials / fewest)), spread.df, spread.evenness)


def calibrated_spread(pair: ArmPair, metric: Metric, calibration: Calibration | None) -> SessionSpread | None:
    """Return what a calibration says of the scenario of a pair; None where it does not have its sessions."""
    scenarios = {run.plan.scenario for run in pair.runs}
    if calibration is None or len(scenarios) != 1:
        return None
    noise = calibration.sessions.get(scenarios.pop(), {}).get(metric.name)
    if noise is None:
        return None
    return of_fewer_trials(SessionSpread(noise.sd, noise.df, noise.evenness), noise.trials, pair)


def stored_spread(pair: ArmPair, metric: Metric, others: Sequence[Observation]) -> SessionSpread | None:
    """Return what other stored sessions say; None where no program made two of them that are comparable."""
    base = list(pair.base_runs.values())
    sessions, plans = {run.session for run in pair.runs}, {run.plan.identity for run in base}
    usable = [
        run
        for run in quiet_runs(others)
        if run.session not in sessions
        and run.timed
        and run.plan.identity in plans
        and not any(side_differences([run], base[:1], ()))
    ]
    by_program: dict[str, list[Observation]] = {}
    for run in usable:
        by_program.setdefault(run.program, []).append(run)
    logarithms = [
        np.log(list(values.values())) for runs in by_program.values() if len(values := session_values(runs, metric)) > 1
    ]
    if not logarithms:
        return None
    df = sum(values.size - 1 for values in logarithms)
    distances = np.concatenate([values - values.mean() for values in logarithms])
    even = evenness(distances) if len(logarithms) == 1 else None
    spread = SessionSpread(math.sqrt(float((distances**2).sum()) / df), df, even)
    return of_fewer_trials(spread, trials_of_session(usable), pair)


def one_session_each(pair: ArmPair, metric: Metric, spread: SessionSpread | None) -> str | None:
    """Return why nothing can be said of a metric where nothing is known of how far sessions differ; None otherwise."""
    if pair.unit(metric) is not Unit.SESSION or spread is not None or own_freedom(pair, metric):
        return None
    return ONE_EACH
