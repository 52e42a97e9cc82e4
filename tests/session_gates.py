# SPDX-License-Identifier: MIT
"""Whole gates over simulated sessions whose truth is known, evaluated by the code that real gates are evaluated by.

Every trial has a value: sessions differ, and trials of a session differ as much again. The spread of a gate is the
standard deviation of the logarithm of one session's value, the median of its trials. Conditions allow nothing
(``<= 1.00x``), so that no threshold helps the tests, or hinders them.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.stats import binomtest

from stress.analysis.comparison.compare import ALPHA
from stress.analysis.comparison.session_family import adds_new_alone
from stress.analysis.comparison.verdict import Unit
from stress.analysis.gate.case import Case
from stress.analysis.gate.condition import parse_condition
from stress.analysis.gate.evaluate import evaluate_cases
from stress.analysis.gate.result import ConditionResult, State
from stress.analysis.metric import find_metric
from stress.analysis.statistics.session import measure_spread, session_contrast, session_value
from stress.analysis.statistics.session_power import sessions_needed

TRIALS = 14
CONDITIONS = ("body.p50 <= 1.00x", "rate >= 1.00x", "body.p90 <= 1.00x", "body.p99 <= 1.00x", "duration <= 1.00x")
BUSY_SHARE, MARKED_SHARE = 0.2, 0.5  # of sessions on a busy machine, and of these, noticed as such
BUSY_FACTORS = (1.3, 3.0)  # by which a busy session is slower
SHARED = 0.8  # correlation of the metrics of a session, where they share one
DRIFT = 0.6  # correlation of a session with the one before, where there is a drift

Law = Literal["normal", "t3", "busy", "shared", "drift"]


@dataclass(frozen=True)
class Design:
    """A gate.

    Attributes:
        base: number of base sessions.
        new: number of new sessions.
        comparisons: number of conditions; all of them are corrected together.
        calibrated: number of sessions of a calibration.
        spread: standard deviation of the logarithm of one session's value.
        law: how sessions differ.
        worse: by how many spreads the first condition's metric is worse in the new sessions.
        trials: of a session.
        trials_apart: compare the trials as if they were independent, which was the rule before sessions were known.
    """

    base: int
    new: int = 1
    comparisons: int = 5
    calibrated: int = 0
    spread: float = 0.05
    law: Law = "normal"
    worse: float = 0.0
    trials: int = TRIALS
    trials_apart: bool = False


@dataclass(frozen=True)
class Tally:
    """What gates said.

    Attributes:
        gates: their number.
        alarms: how many said that something changed, for the better or for the worse.
        broken: how many did not pass.
        hits: how many broke on the first condition.
        undecided: how many left all conditions inconclusive.
    """

    gates: int
    alarms: int = 0
    broken: int = 0
    hits: int = 0
    undecided: int = 0


@lru_cache(maxsize=8)
def median_variance(trials):
    """The variance of the median of normal values, as a share of theirs."""
    return float(np.median(np.random.default_rng(1).standard_normal((200_000, trials)), axis=1).var())


def draw_sessions(generator, design, sessions):
    """Return slowness of trials (logarithms), shape (comparisons, sessions, trials), and which sessions are busy."""
    shape = (design.comparisons, sessions)
    busy = np.zeros(sessions, np.bool_)
    if design.law == "t3":
        session = generator.standard_t(3, shape) / math.sqrt(3)
    elif design.law == "drift":
        session = generator.standard_normal(shape)
        for later in range(1, sessions):
            session[:, later] = DRIFT * session[:, later - 1] + math.sqrt(1 - DRIFT**2) * session[:, later]
    else:
        session = generator.standard_normal(shape)
        if design.law == "shared":
            session = math.sqrt(1 - SHARED) * session + math.sqrt(SHARED) * generator.standard_normal(sessions)
    deviation = design.spread / math.sqrt(1 + median_variance(design.trials))
    session = session * deviation
    if design.law == "busy":
        busy = generator.random(sessions) < BUSY_SHARE
        session = session + np.where(busy, np.log(generator.uniform(*BUSY_FACTORS, sessions)), 0.0)
    trials = session[:, :, np.newaxis] + deviation * generator.standard_normal((*shape, design.trials))
    return trials, busy & (generator.random(sessions) < MARKED_SHARE)


def arm_values(condition, slowness, *, trials_apart=False):
    """Return the values of an arm by session, or by trial, in one metric; slowness has shape (sessions, trials)."""
    sign = -1.0 if condition.metric == "rate" else 1.0
    values = 1000.0 * np.exp(sign * slowness)
    if trials_apart:
        return dict(enumerate(values.ravel().tolist()))
    return {number: session_value(trials, "ratio") for number, trials in enumerate(values.tolist())}


def draw_gate(generator, design):
    """Return the cases of one gate."""
    trials, marked = draw_sessions(generator, design, design.base + design.new)
    others, others_marked = draw_sessions(generator, design, design.calibrated)
    base, new = trials[:, : design.base][:, ~marked[: design.base]], trials[:, design.base :].copy()
    new[0] += design.worse * design.spread
    held_back = "the machine was busy" if marked[design.base :].mean() > 0.25 else None
    cases = []
    for number in range(design.comparisons):
        condition = parse_condition(CONDITIONS[number % len(CONDITIONS)])
        old, now = (arm_values(condition, arm[number], trials_apart=design.trials_apart) for arm in (base, new))
        calibration = arm_values(condition, others[number, ~others_marked])
        spread = measure_spread(list(calibration.values()), "ratio")
        unit = Unit.TRIAL if design.trials_apart else Unit.SESSION
        row = f"cell {number // len(CONDITIONS)}"
        cases.append(Case(condition, row, old, now, unit, held_back=held_back, spread=spread))
    return cases


def simulate_gates(design, gates, seed=1):
    """Return what as many gates of a design said."""
    generator = np.random.default_rng(seed)
    tally = Tally(gates)
    for _ in range(gates):
        tally = add_gate(tally, evaluate_cases(draw_gate(generator, design)))
    return tally


def add_gate(tally: Tally, results: list[ConditionResult]) -> Tally:
    """Return a tally with one more gate."""
    return replace(
        tally,
        alarms=tally.alarms + any(result.adjusted_p is not None and result.adjusted_p <= ALPHA for result in results),
        broken=tally.broken + any(result.state is State.BROKEN for result in results),
        hits=tally.hits + (results[0].state is State.BROKEN),
        undecided=tally.undecided + all(result.state is State.INCONCLUSIVE for result in results),
    )


def draw_blocks(generator, blocks, *, spread=0.05, change=0.0, drift=0.0, interleaved=True):
    """Return the cases of a gate whose two arms ran in the same blocks; the first metric changed by a share.

    Trials follow each other in time, those of a block in random order, and differ by as much as ``spread``; with a
    drift each of them is correlated with the one before. Arms that are not interleaved ran one after the other, and
    are compared by trials.
    """
    cases = []
    order = generator.random(blocks) < 0.5
    for number, text in enumerate(CONDITIONS):
        condition = parse_condition(text)
        noise = generator.standard_normal(2 * blocks)
        for later in range(1, 2 * blocks if drift else 0):
            noise[later] = drift * noise[later - 1] + math.sqrt(1 - drift**2) * noise[later]
        pairs = spread * noise.reshape(blocks, 2)
        base, new = np.where(order, pairs[:, 0], pairs[:, 1]), np.where(order, pairs[:, 1], pairs[:, 0])
        if not interleaved:
            base, new = pairs.ravel()[:blocks], pairs.ravel()[blocks:]
        new = new + (math.log1p(change) if number == 0 else 0.0)
        arms = [arm_values(condition, arm[:, np.newaxis], trials_apart=True) for arm in (base, new)]
        cases.append(Case(condition, "", *arms, Unit.BLOCK if interleaved else Unit.TRIAL))
    return cases


def simulate_blocks(blocks, gates, seed=1, **options):
    """Return what as many gates over interleaved arms said."""
    generator = np.random.default_rng(seed)
    tally = Tally(gates)
    for _ in range(gates):
        tally = add_gate(tally, evaluate_cases(draw_blocks(generator, blocks, **options)))
    return tally


def simulate_more(base, new, worse, gates, *, known, alpha=0.01, seed=1):
    """Return which numbers of further sessions were named, how often such a number decides, and how often none was.

    Decided is a change that becomes significant. With ``known`` the number is that of the true change and spread, else
    that of what the sessions so far say. The further sessions are drawn anew; all sessions are compared then.
    """
    generator = np.random.default_rng(seed)
    numbers, decided, never = [], 0, 0
    for _ in range(gates):
        old, now = generator.standard_normal(base), worse + generator.standard_normal(new)
        effect, deviation = worse, 1.0
        if not known:
            contrast = session_contrast(old, now, "difference")
            effect, deviation = contrast.effect, contrast.spread / math.sqrt(2)
        of_both = not adds_new_alone(base)
        more = sessions_needed(effect, deviation, base, new, alpha=alpha, of_both=of_both)
        if more is None:
            never += 1
            continue
        numbers.append(more)
        old = np.concatenate([old, generator.standard_normal(more if of_both else 0)])
        now = np.concatenate([now, worse + generator.standard_normal(more)])
        decided += session_contrast(old, now, "difference").p <= alpha
    low, middle, high = np.quantile(numbers, (0.1, 0.5, 0.9)).astype(int)
    return (f"{middle}" if low == high else f"{middle} ({low} to {high})"), decided, never


def lowest_share(count, total):
    """Return the lower end of the 95 % interval of a share (Wilson 1927)."""
    return float(binomtest(count, total).proportion_ci(method="wilson").low)


assert all(find_metric(parse_condition(text).metric).better for text in CONDITIONS)
