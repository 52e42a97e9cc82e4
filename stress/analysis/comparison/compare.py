# SPDX-License-Identifier: MIT
"""Comparison of the values of two arms in a metric, and the verdicts over all comparisons.

A change is reported when three conditions hold: it is significant after correction for multiple testing, it is as
large as the threshold, and its interval excludes no change. Equivalence is not merely the absence of a change: the
whole interval must lie within the threshold.
"""

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from stress.analysis.comparison.change import Change, change_of, count_more_trials, is_sure
from stress.analysis.comparison.session_family import count_more_sessions, with_common_tail
from stress.analysis.comparison.verdict import ALPHA, Comparison, Unit, Verdict
from stress.analysis.metric import Metric, find_metric
from stress.analysis.statistics import two_sample
from stress.analysis.statistics.multiple_testing import benjamini_hochberg_correction, holm_correction
from stress.analysis.statistics.session import SessionSample, SessionSpread
from stress.analysis.statistics.trials import (
    THRESHOLD,
    TIMED_UNITS,
    Estimate,
    Kind,
    median_interval,
)
from stress.model.units import MILLION

# Why values of sessions are held back of which nobody knows how far they differ.
ONE_SESSION = "one session each"
EQUAL_SESSIONS = "the sessions of an arm are all equal, so that it is not known how far sessions differ"

Key = TypeVar("Key", bound=Hashable)


def default_threshold(metric: Metric, base: Estimate | None, *, attempts: int = MILLION) -> float:
    """Return the smallest change of a metric that matters: for a ratio its distance from 1, else in the metric's unit.

    Args:
        metric: what is compared.
        base: the estimate of the base arm; None where it has no value.
        attempts: of a trial, of the smallest where they differ: a change of one attempt does not matter.
    """
    if metric.unit in TIMED_UNITS:
        return THRESHOLD
    one_attempt = MILLION / attempts if metric.unit == "per million" else 1.0
    return max(one_attempt, THRESHOLD * abs(base.median)) if base else one_attempt


def compare_values(  # noqa: PLR0917  # an arm is a label and its values
    row: str,
    base_label: str,
    new_label: str,
    metric: Metric,
    base: Mapping[Key, float],
    new: Mapping[Key, float],
    *,
    unit: Unit,
    threshold: float,
    gating: bool,
    held_back: str | None = None,
    spread: SessionSpread | None = None,
) -> Comparison:
    """Return the comparison of two arms in a metric, with the verdict that holds if it is the only comparison.

    Ratios leave out trials, and blocks, with a value that is not above 0: a rate of 0 means that the trial ended
    before it had a rate.

    Args:
        row: name of the row.
        base_label: name of the base arm.
        new_label: name of the new arm.
        metric: the metric.
        base: values of the base arm by block, by trial or by session.
        new: values of the new arm.
        unit: what a value stands for. Equal keys are the same block; values without a partner are left out.
        threshold: the smallest change that matters: for a ratio its distance from 1, else in the metric's unit.
        gating: whether it belongs to the family that gates.
        held_back: why the verdict is inconclusive whatever the values are; None otherwise.
        spread: how far sessions differ, if that is known.
    """
    kind: Kind = "ratio" if metric.unit in TIMED_UNITS else "difference"
    old = {key: value for key, value in base.items() if kind == "difference" or value > 0}
    now = {key: value for key, value in new.items() if kind == "difference" or value > 0}
    if unit is Unit.BLOCK:
        both = [key for key in old if key in now]
        old, now = {key: old[key] for key in both}, {key: now[key] for key in both}
    sample, contrast = None, None
    if old and now:
        if unit is Unit.SESSION:
            sample = SessionSample(tuple(old.values()), tuple(now.values()), kind, spread)
        contrast = contrast_values(list(old.values()), list(now.values()), kind, unit, sample)
        if contrast is None:
            contrast = two_sample.unpaired_contrast(list(old.values()), list(now.values()), kind)
            held_back = held_back or (ONE_SESSION if len(old) == len(now) == 1 else EQUAL_SESSIONS)
    comparison = Comparison(
        row=row,
        base=base_label,
        new=new_label,
        metric=metric.name,
        verdict=Verdict.NO_DATA,
        kind=kind,
        # Of the values that are compared; of all values where none are.
        base_estimate=median_interval(list((old if contrast else base).values())),
        new_estimate=median_interval(list((now if contrast else new).values())),
        effect=contrast.effect if contrast else None,
        low=contrast.low if contrast else None,
        high=contrast.high if contrast else None,
        level=contrast.level if contrast else None,
        p=contrast.p if contrast and held_back is None else None,
        adjusted_p=None,
        gating=gating,
        paired=unit is Unit.BLOCK,
        threshold=threshold,
        more_trials=None,
        unit=unit,
        held_back=held_back,
        sessions=sample,
    )
    return assign_verdict(comparison, comparison.p, tests=1, alpha=ALPHA)


def contrast_values(
    base: Sequence[float], new: Sequence[float], kind: Kind, unit: Unit, sample: SessionSample | None
) -> two_sample.Contrast | None:
    """Return the change between the values of two arms; None where there are too few sessions to say it."""
    if sample is not None:
        return sample.contrast()
    contrast_of = two_sample.paired_contrast if unit is Unit.BLOCK else two_sample.unpaired_contrast
    return contrast_of(base, new, kind)


def decide(comparisons: Sequence[Comparison], alpha: float = ALPHA) -> list[Comparison]:
    """Return the comparisons with corrected p-values and the verdicts that rest on them.

    Correction is within the family that gates, so that a gate fails wrongly with a probability of at most alpha (Holm
    1979), and within all other comparisons, of whose changes a share of alpha is wrong (Benjamini and Hochberg 1995).
    Equivalence is not corrected: each interval states it for its own metric. A metric without a direction is never
    regressed or improved: its change shows in the effect. What is held back has no p, and so is no test. How often
    sessions have outliers is a matter of all comparisons together (``session_tail``).
    """
    comparisons = with_common_tail(comparisons)
    adjusted: dict[int, float] = {}
    tests: dict[bool, int] = {}
    for gating, correct in ((True, holm_correction), (False, benjamini_hochberg_correction)):
        ps = {
            row: comparison.p
            for row, comparison in enumerate(comparisons)
            if comparison.gating is gating and comparison.p is not None and comparison.held_back is None
        }
        adjusted |= dict(zip(ps, correct(list(ps.values())), strict=True))
        tests[gating] = len(ps)
    return [
        dataclasses.replace(
            assign_verdict(comparison, adjusted.get(row), tests=tests[comparison.gating], alpha=alpha),
            adjusted_p=adjusted.get(row),
        )
        for row, comparison in enumerate(comparisons)
    ]


def assign_verdict(comparison: Comparison, p: float | None, *, tests: int, alpha: float) -> Comparison:
    """Return the comparison with its verdict, and the number of trials that would decide if it is inconclusive.

    Args:
        comparison: its own verdict is not read.
        p: the p-value that the verdict rests on.
        tests: how many p-values are corrected together.
        alpha: what p must not exceed.
    """
    change = change_of(comparison)
    if change is not None and comparison.held_back is not None:
        return dataclasses.replace(comparison, verdict=Verdict.INCONCLUSIVE, p=None, more_trials=None)
    if change is None or p is None:
        return dataclasses.replace(comparison, verdict=Verdict.NO_DATA, more_trials=None)
    better = find_metric(comparison.metric).better
    if better is not None and is_sure(change, p, alpha):
        verdict = Verdict.IMPROVED if (change.effect > 0) == (better == "higher") else Verdict.REGRESSED
    elif change.is_none:
        verdict = Verdict.EQUIVALENT
    else:
        # A change of a metric without a direction is never decided, however significant.
        undecidable = better is None and change.matters
        more = None if undecidable else count_more(comparison, change, alpha / tests)
        return dataclasses.replace(comparison, verdict=Verdict.INCONCLUSIVE, more_trials=more)
    return dataclasses.replace(comparison, verdict=verdict, more_trials=None)


def count_more(comparison: Comparison, change: Change, alpha: float) -> int | None:
    """Return how many more values of each arm, or new ones, would probably decide."""
    if comparison.sessions is not None:
        return count_more_sessions(comparison.sessions, change, alpha)
    return count_more_trials(change, alpha, paired=comparison.paired)
