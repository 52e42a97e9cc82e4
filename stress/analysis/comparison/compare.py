# SPDX-License-Identifier: MIT
"""Comparison: the values of two arms in a metric, and the verdicts over all that is compared.

A change is called one when three things hold: it is sure after correction for all that was looked at, it is as large
as the threshold, and its interval excludes that nothing changes. That nothing changes is not what is left over: the
whole interval must lie within the threshold.
"""

import dataclasses
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from stress.analysis.comparison.verdict import Comparison, Verdict
from stress.analysis.metric import Metric, find_metric
from stress.analysis.statistics import two_sample
from stress.analysis.statistics.multiple_testing import benjamini_hochberg_correction, holm_correction
from stress.analysis.statistics.power import spread_of_interval, trials_needed
from stress.analysis.statistics.trials import (
    CONFIDENCE_LEVEL,
    SURE_LEVEL,
    THRESHOLD,
    TIMED_UNITS,
    Estimate,
    Kind,
    median_interval,
)
from stress.model.units import MILLION

ALPHA = 0.05

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Change:
    """A comparison's effect in the unit in which no change is 0: of a ratio its logarithm.

    Attributes:
        effect: the change.
        low: lower end of its interval.
        high: upper end.
        level: of the interval.
        least: from which on it matters.
        trials: of each arm.
    """

    effect: float
    low: float
    high: float
    level: float
    least: float
    trials: int

    @property
    def matters(self) -> bool:
        """Whether it is as large as the threshold."""
        return abs(self.effect) >= self.least

    @property
    def excludes_none(self) -> bool:
        """Whether it cannot be that nothing changes."""
        return not self.low <= 0 <= self.high

    @property
    def is_none(self) -> bool:
        """Whether it is surely smaller than the threshold."""
        return self.level >= SURE_LEVEL and max(-self.low, self.high) < self.least


def default_threshold(metric: Metric, base: Estimate | None, *, attempts: int = MILLION) -> float:
    """Return the least change of a metric that matters: of a ratio its distance from 1, else in the metric's unit.

    Args:
        metric: what is compared.
        base: what the base arm comes to; None where it has no value.
        attempts: of a trial, of the smallest where they differ: what one attempt amounts to is no change.
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
    paired: bool,
    threshold: float,
    gating: bool,
) -> Comparison:
    """Return the comparison of two arms in a metric, with a verdict as if nothing else were compared.

    A ratio leaves out trials, and blocks, with a value that is not above 0: a rate of 0 is that of a trial that did
    not get far enough to have one.

    Args:
        row: what is compared.
        base_label: name of the base arm.
        new_label: name of the new arm.
        metric: in which they are compared.
        base: the base arm's values by block or by trial.
        new: the new arm's.
        paired: whether equal keys are the same block; values without a partner are left out.
        threshold: what a change must amount to: of a ratio its distance from 1, else in the metric's unit.
        gating: whether it is of the family that gates.
    """
    kind: Kind = "ratio" if metric.unit in TIMED_UNITS else "difference"
    old = {key: value for key, value in base.items() if kind == "difference" or value > 0}
    now = {key: value for key, value in new.items() if kind == "difference" or value > 0}
    if paired:
        both = [key for key in old if key in now]
        old, now = {key: old[key] for key in both}, {key: now[key] for key in both}
    found = None
    if old and now:
        compare = two_sample.paired_contrast if paired else two_sample.unpaired_contrast
        found = compare(list(old.values()), list(now.values()), kind)
    comparison = Comparison(
        row=row,
        base=base_label,
        new=new_label,
        metric=metric.name,
        verdict=Verdict.NO_DATA,
        kind=kind,
        # Of what is compared; where nothing is, of all that there is.
        base_estimate=median_interval(list((old if found else base).values())),
        new_estimate=median_interval(list((now if found else new).values())),
        effect=found.effect if found else None,
        low=found.low if found else None,
        high=found.high if found else None,
        level=found.level if found else None,
        p=found.p if found else None,
        adjusted_p=None,
        gating=gating,
        paired=paired,
        threshold=threshold,
        more_trials=None,
    )
    return assign_verdict(comparison, comparison.p, tests=1, alpha=ALPHA)


def decide(comparisons: Sequence[Comparison], alpha: float = ALPHA) -> list[Comparison]:
    """Return the comparisons with corrected p-values and the verdicts that rest on them.

    Correction is within the family that gates, so that a gate is wrongly closed with a chance of alpha (Holm 1979),
    and within all others, of whose finds a share of alpha is wrong (Benjamini and Hochberg 1995). That something is
    equivalent is not corrected: each interval says it of its own metric. A metric without a direction is never
    regressed or improved: its change shows in the effect.
    """
    adjusted: dict[int, float] = {}
    tests: dict[bool, int] = {}
    for gating, correct in ((True, holm_correction), (False, benjamini_hochberg_correction)):
        ps = {place: each.p for place, each in enumerate(comparisons) if each.gating is gating and each.p is not None}
        adjusted |= dict(zip(ps, correct(list(ps.values())), strict=True))
        tests[gating] = len(ps)
    return [
        dataclasses.replace(
            assign_verdict(each, adjusted.get(place), tests=tests[each.gating], alpha=alpha),
            adjusted_p=adjusted.get(place),
        )
        for place, each in enumerate(comparisons)
    ]


def assign_verdict(comparison: Comparison, p: float | None, *, tests: int, alpha: float) -> Comparison:
    """Return the comparison with its verdict, and with how many more trials would decide where it is inconclusive.

    Args:
        comparison: without regard to its verdict.
        p: that it rests on.
        tests: how many are corrected together.
        alpha: what p must not exceed.
    """
    change = change_of(comparison)
    if change is None or p is None:
        return dataclasses.replace(comparison, verdict=Verdict.NO_DATA, more_trials=None)
    better = find_metric(comparison.metric).better
    if p <= alpha and change.matters and change.excludes_none and better is not None:
        verdict = Verdict.IMPROVED if (change.effect > 0) == (better == "higher") else Verdict.REGRESSED
    elif change.is_none:
        verdict = Verdict.EQUIVALENT
    else:
        # A change that is neither good nor bad is never decided, however sure.
        undecidable = better is None and change.matters
        more = None if undecidable else count_more_trials(change, alpha / tests, paired=comparison.paired)
        return dataclasses.replace(comparison, verdict=Verdict.INCONCLUSIVE, more_trials=more)
    return dataclasses.replace(comparison, verdict=verdict, more_trials=None)


def change_of(comparison: Comparison) -> Change | None:
    """Return a comparison's change; None of one without data."""
    effect, low, high, level = comparison.effect, comparison.low, comparison.high, comparison.level
    base, new = comparison.base_estimate, comparison.new_estimate
    if effect is None or low is None or high is None or level is None or base is None or new is None:
        return None
    trials = min(base.trials, new.trials)
    if comparison.kind == "difference":
        return Change(effect, low, high, level, comparison.threshold, trials)
    return Change(math.log(effect), math.log(low), math.log(high), level, math.log1p(comparison.threshold), trials)


def count_more_trials(change: Change, alpha: float, *, paired: bool) -> int | None:
    """Return how many more trials of each arm would probably decide, if the change is what it looks like.

    A change that matters must become sure, and be beyond the threshold whenever it is looked at. Of a smaller one the
    interval must become narrow enough to fit within the threshold. Either takes the more, the closer it is to the
    threshold.

    Args:
        change: an inconclusive one.
        alpha: the p that the smallest of its family must reach.
        paired: whether trials are compared within blocks.
    """
    spread = spread_of_interval(change.low, change.high, change.level, change.trials)
    beyond = abs(change.effect) - change.least
    if not change.matters:
        level = CONFIDENCE_LEVEL if spread > 0 else SURE_LEVEL  # trials that all agree need only be enough
        needed = [trials_needed(spread, beyond, level, paired=paired)]
    else:
        needed = [trials_needed(spread, change.effect, 1 - alpha, paired=paired)]
        if spread > 0:
            needed.append(trials_needed(spread, beyond, 0, paired=paired))
    enough = [trials for trials in needed if trials is not None]
    return max(1, max(enough) - change.trials) if len(enough) == len(needed) else None
