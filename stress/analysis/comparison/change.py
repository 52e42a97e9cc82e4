# SPDX-License-Identifier: MIT
"""The change of a comparison on the scale on which no change is 0, and how many more trials would decide it."""

import math
from dataclasses import dataclass

from stress.analysis.comparison.verdict import ALPHA, Comparison
from stress.analysis.statistics.power import spread_of_interval, trials_needed
from stress.analysis.statistics.trials import CONFIDENCE_LEVEL, SURE_LEVEL, Effect

# So many trials without a burst exclude one in a fifth of all trials: 0.8 ** 14 is below 0.05.
CLEAN_TRIALS = 14


@dataclass(frozen=True)
class Change:
    """A comparison's effect on the scale on which no change is 0: for a ratio its logarithm.

    Attributes:
        effect: the change.
        low: lower end of its interval.
        high: upper end.
        level: of the interval.
        least: the smallest change that matters.
        trials: of each arm, the smaller number where they differ.
        counted: whether it is one of counts or of rates of events, which come in bursts.
    """

    effect: float
    low: float
    high: float
    level: float
    least: float
    trials: int
    counted: bool

    @property
    def matters(self) -> bool:
        """Whether it is as large as the threshold."""
        return abs(self.effect) >= self.least

    @property
    def excludes_none(self) -> bool:
        """Whether the interval excludes no change."""
        return not self.low <= 0 <= self.high

    @property
    def is_none(self) -> bool:
        """Whether the whole interval lies within the threshold.

        Of counts, few trials without a burst are no proof that there is none.
        """
        if self.counted and self.trials < CLEAN_TRIALS:
            return False
        return self.level >= SURE_LEVEL and max(-self.low, self.high) < self.least


def change_of(comparison: Comparison) -> Change | None:
    """Return the change of a comparison; None if it has no data."""
    effect, low, high, level = comparison.effect, comparison.low, comparison.high, comparison.level
    base, new = comparison.base_estimate, comparison.new_estimate
    if effect is None or low is None or high is None or level is None or base is None or new is None:
        return None
    trials = min(base.trials, new.trials)
    if comparison.kind == "difference":
        return Change(effect, low, high, level, comparison.threshold, trials, counted=True)
    least = math.log1p(comparison.threshold)
    return Change(math.log(effect), math.log(low), math.log(high), level, least, trials, counted=False)


def is_sure(change: Change, p: float, alpha: float = ALPHA) -> bool:
    """Return whether there is a change: its p is small enough, its size matters, its interval excludes none."""
    return p <= alpha and change.matters and change.excludes_none


def effect_of(comparison: Comparison) -> Effect | None:
    """Return the change of a comparison that was decided with others, for tables and figures; None without data."""
    effect, low, high, level = comparison.effect, comparison.low, comparison.high, comparison.level
    change = change_of(comparison)
    if change is None or effect is None or low is None or high is None or level is None:
        return None
    p = comparison.adjusted_p
    changes = p is not None and comparison.held_back is None and is_sure(change, p)
    return Effect(comparison.kind, effect, low, high, change.trials, level, changes)


def count_more_trials(change: Change, alpha: float, *, paired: bool) -> int | None:
    """Return how many more trials of each arm would probably decide, if the true change is the estimate.

    A change that matters must become significant, and its estimate must stay beyond the threshold. The interval of a
    smaller one must become narrow enough to fit within the threshold. Both take more trials, the closer the change is
    to the threshold.

    Args:
        change: an inconclusive one.
        alpha: what the smallest p of its family must not exceed.
        paired: whether trials are compared within blocks.
    """
    spread = spread_of_interval(change.low, change.high, change.level, change.trials)
    beyond = abs(change.effect) - change.least
    if not change.matters:
        level = CONFIDENCE_LEVEL if spread > 0 else SURE_LEVEL  # trials that all agree need only be numerous enough
        needed = [trials_needed(spread, beyond, level, paired=paired), CLEAN_TRIALS if change.counted else 1]
    else:
        needed = [trials_needed(spread, change.effect, 1 - alpha, paired=paired)]
        if spread > 0:
            needed.append(trials_needed(spread, beyond, 0, paired=paired))
    enough = [trials for trials in needed if trials is not None]
    return max(1, max(enough) - change.trials) if len(enough) == len(needed) else None
