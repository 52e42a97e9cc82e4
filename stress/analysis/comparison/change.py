# SPDX-License-Identifier: MIT
"""The change of a comparison on the scale on which no change is 0, and how many more trials would decide it."""

import math
from dataclasses import dataclass

from stress.analysis.comparison.verdict import Comparison
from stress.analysis.statistics.power import spread_of_interval, trials_needed
from stress.analysis.statistics.trials import CONFIDENCE_LEVEL, SURE_LEVEL


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
        """Whether the interval excludes no change."""
        return not self.low <= 0 <= self.high

    @property
    def is_none(self) -> bool:
        """Whether the whole interval lies within the threshold."""
        return self.level >= SURE_LEVEL and max(-self.low, self.high) < self.least


def change_of(comparison: Comparison) -> Change | None:
    """Return the change of a comparison; None if it has no data."""
    effect, low, high, level = comparison.effect, comparison.low, comparison.high, comparison.level
    base, new = comparison.base_estimate, comparison.new_estimate
    if effect is None or low is None or high is None or level is None or base is None or new is None:
        return None
    trials = min(base.trials, new.trials)
    if comparison.kind == "difference":
        return Change(effect, low, high, level, comparison.threshold, trials)
    return Change(math.log(effect), math.log(low), math.log(high), level, math.log1p(comparison.threshold), trials)


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
        needed = [trials_needed(spread, beyond, level, paired=paired)]
    else:
        needed = [trials_needed(spread, change.effect, 1 - alpha, paired=paired)]
        if spread > 0:
            needed.append(trials_needed(spread, beyond, 0, paired=paired))
    enough = [trials for trials in needed if trials is not None]
    return max(1, max(enough) - change.trials) if len(enough) == len(needed) else None
