# SPDX-License-Identifier: MIT
"""Changes of times for an attempt between two arms, over their trials: Student's t, and the chance of sampling."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from stress.analysis.statistics.session_tail import Design, critical_value, two_sided_p
from stress.analysis.statistics.trials import CONFIDENCE_LEVEL
from stress.profile.sampled_storm import Arms, Key, SampledStorm

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """A time for an attempt in two arms (ns): the means over trials, and the difference.

    Attributes:
        base_ns: mean of the base arm.
        new_ns: mean of the new arm.
        low_ns: lower end of the interval of the difference, at 95 %; None where an arm has one trial.
        high_ns: upper end.
        p: two-sided, of no change; for a function the larger one of its time and its share. None as ``low_ns``.
    """

    base_ns: float
    new_ns: float
    low_ns: float | None
    high_ns: float | None
    p: float | None

    @property
    def ns(self) -> float:
        """The difference."""
        return self.new_ns - self.base_ns

    @property
    def is_sure(self) -> bool:
        """Whether its interval excludes no change."""
        return self.low_ns is not None and self.high_ns is not None and self.low_ns * self.high_ns > 0


def unit_means(arms: Arms, value: Callable[[SampledStorm], float]) -> list[Floats]:
    """Return the mean of a value over the storms of each unit, for both arms."""
    return [np.array([np.mean([value(storm) for storm in unit]) for unit in arm]) for arm in arms]


def time_change(arms: Arms, samples: Callable[[SampledStorm], float]) -> Change:
    """Return the change of the time that some samples of each storm stand for."""
    return interval(unit_means(arms, lambda storm: storm.ns * samples(storm)), counting_variance(arms, samples))


def key_change(arms: Arms, key: Key) -> Change:
    """Return the change of a function, or of it in a place; its p is that of its share of the whole if it is larger."""

    def share(storm: SampledStorm) -> float:
        return storm.counts[key] / max(storm.counts[()], 1)

    change = time_change(arms, lambda storm: storm.counts[key])
    if change.p is None:
        return change
    level_ns = float(np.mean([np.mean(arm) for arm in unit_means(arms, lambda storm: storm.ns * storm.counts[()])]))
    shift = interval(
        [arm * level_ns for arm in unit_means(arms, share)], counting_variance(arms, lambda storm: storm.counts[key])
    )
    if shift.p is None or shift.ns * change.ns <= 0:
        return replace(change, p=1.0)
    return replace(change, p=max(change.p, shift.p))


def counting_variance(arms: Arms, samples: Callable[[SampledStorm], float]) -> float:
    """Return the variance that the difference of means has by the chance of sampling alone, as Poisson counts have."""
    variance = 0.0
    for arm in arms:
        of_units = [sum(samples(storm) * storm.ns**2 for storm in unit) / len(unit) ** 2 for unit in arm]
        variance += sum(of_units) / len(of_units) ** 2
    return variance


def interval(arms: Sequence[Floats], least_variance: float) -> Change:
    """Return the change between the means of two arms, whose difference has at least some variance (Student's t)."""
    base, new = arms
    base_ns, new_ns = float(base.mean()), float(new.mean())
    if min(base.size, new.size) < 2:
        return Change(base_ns, new_ns, None, None, None)
    design = Design(base.size, new.size)
    squares = sum(float(((arm - arm.mean()) ** 2).sum()) for arm in arms)
    variance = squares / design.df * (1 / base.size + 1 / new.size)
    error = math.sqrt(max(variance, least_variance))
    effect = new_ns - base_ns
    reach = critical_value(design, CONFIDENCE_LEVEL) * error
    p = two_sided_p(abs(effect) / error, design) if error else float(effect == 0)
    return Change(base_ns, new_ns, effect - reach, effect + reach, p)
