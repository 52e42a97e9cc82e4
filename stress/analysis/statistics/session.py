# SPDX-License-Identifier: MIT
"""Sessions: the change between arms that were measured at different times, with one value per session.

What a machine does besides differs from session to session, and all trials of a session share it: more trials make the
value of a session more exact, but do not say how far sessions differ. So a session is one value, the median of its
trials, and the change is held against the standard deviation of these values, which has the noise of trials in it.
With one new session the interval is the prediction interval of a further session of the base (Hahn and Meeker,
Statistical Intervals, 1991). Few sessions have few ranks, so that the test is Student's, on logarithms where values are
compared as ratios; ``session_tail`` has what it becomes where sessions have outliers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.analysis.statistics.session_tail import NORMAL, Design, Shape, critical_value, evenness, two_sided_p
from stress.analysis.statistics.trials import CONFIDENCE_LEVEL, Kind
from stress.analysis.statistics.two_sample import ROUNDING, Contrast, check_samples

EXPONENT_MAX = 700.0  # of a number that has an exponential

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SessionSpread:
    """How far sessions without any change differ, as measured by sessions that are in neither arm.

    Attributes:
        sd: standard deviation of the value of one session, the noise of its trials included; for a ratio that of its
            logarithm.
        df: degrees of freedom of ``sd``: the number of sessions that were measured, less one.
        evenness: mean absolute deviation of these sessions as a share of the root of their mean square one, as in
            ``session_tail.evenness``; None where it is not known.
    """

    sd: float
    df: int
    evenness: float | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a spread that no sessions can have."""
        if not (math.isfinite(self.sd) and self.sd >= 0 and self.df >= 1):
            raise ValueError(f"A spread of {self.sd} with {self.df} degrees of freedom is none.")


@dataclass(frozen=True)
class SessionSample:
    """What two arms are compared by: one value per session, and what other sessions say.

    Attributes:
        base: of the base arm.
        new: of the new arm.
        kind: how they are compared.
        spread: how far sessions differ by others; None where that is not known.
    """

    base: tuple[float, ...]
    new: tuple[float, ...]
    kind: Kind
    spread: SessionSpread | None = None

    @property
    def design(self) -> Design:
        """How many sessions the change rests on."""
        return Design(len(self.base), len(self.new), self.spread.df if self.spread else 0)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """How even sessions without a change between them are: those of either arm, and those of the spread."""
        arms = [(len(arm), evenness(on_scale(arm, self.kind))) for arm in (self.base, self.new)]
        others = [(self.spread.df + 1, self.spread.evenness)] if self.spread else []
        return tuple(Shape(sessions, even) for sessions, even in arms + others if even is not None)

    def contrast(self, tail: float = NORMAL) -> Contrast | None:
        """Return the change; as ``session_contrast``."""
        return session_contrast(self.base, self.new, self.kind, self.spread, tail=tail)

    def deviation(self) -> float | None:
        """Return the standard deviation of the value of one session; None where it cannot be said."""
        contrast = self.contrast()
        return contrast.spread / math.sqrt(2) if contrast else None


def session_value(values: Sequence[float], kind: Kind) -> float:
    """Return the value of a session, the median of its trials.

    Unlike an estimate it is no observed value: of an even number of trials the lower middle one would be lower than
    that of an odd number. For a ratio the mean of the two middle ones is the geometric one.

    Args:
        values: one per trial, in any order.
        kind: how sessions are compared.

    Raises:
        ValueError: there is no value, or one of a ratio is not above 0.
    """
    if not values:
        raise ValueError("A session without a value cannot be compared.")
    if kind == "ratio" and min(values) <= 0:
        raise ValueError("Only values above 0 have a ratio; compare their difference.")
    ordered = sorted(values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    if low == high:
        return low
    return (low + high) / 2 if kind == "difference" else math.sqrt(low) * math.sqrt(high)


def measure_spread(values: Sequence[float], kind: Kind) -> SessionSpread | None:
    """Return how far sessions without any change differ; None where there are fewer than two.

    Args:
        values: one per session.
        kind: how sessions are compared.

    Raises:
        ValueError: a value is not finite, or one of a ratio is not above 0.
    """
    if len(values) < 2:
        return None
    check_samples(values, values, kind)
    scaled = on_scale(values, kind)
    return SessionSpread(float(scaled.std(ddof=1)), scaled.size - 1, evenness(scaled))


def session_contrast(  # noqa: PLR0917  # what is compared, and what is known of sessions
    base: Sequence[float],
    new: Sequence[float],
    kind: Kind,
    spread: SessionSpread | None = None,
    level: float = CONFIDENCE_LEVEL,
    tail: float = NORMAL,
) -> Contrast | None:
    """Return the change between two arms that were measured in different sessions.

    The variances of both arms and of the spread are pooled by their degrees of freedom, so that the interval is that of
    Student's t; with one session in each arm, all of it comes from the spread.

    Args:
        base: one value per session, in any order.
        new: one value per session, of any number of sessions.
        kind: how they are compared.
        spread: what other sessions say of how far they differ; None where there are none.
        level: coverage that the interval shall have.
        tail: degrees of freedom of the t distribution that sessions follow, as ``session_tail`` estimates them.

    Returns:
        The change; None where it cannot be said how far sessions differ: there is one session in each arm and no
        spread, or different values whose spread is 0, as those of a coarse clock.

    Raises:
        ValueError: a sample is empty or not finite, or a value of a ratio is not above 0.
    """
    check_samples(base, new, kind)
    old, now = on_scale(base, kind), on_scale(new, kind)
    design = Design(old.size, now.size, spread.df if spread else 0)
    if not design.df:
        return None
    squares = sum(float(((arm - arm.mean()) ** 2).sum()) for arm in (old, now))
    deviation = math.sqrt((squares + (spread.sd**2 * spread.df if spread else 0.0)) / design.df)
    effect = float(now.mean() - old.mean())
    largest = float(max(np.abs(old).max(), np.abs(now).max(), 1.0))
    if abs(effect) <= ROUNDING * largest:
        effect = 0.0
    error = deviation * math.sqrt(1 / old.size + 1 / now.size)
    if error <= ROUNDING * largest:
        if effect:
            return None
        error = 0.0
    p = two_sided_p(abs(effect) / error, design, tail) if error else 1.0
    reach = critical_value(design, level, tail) * error
    low, high = effect - reach, effect + reach
    if kind == "ratio":
        low, effect, high = (math.exp(min(max(number, -EXPONENT_MAX), EXPONENT_MAX)) for number in (low, effect, high))
    return Contrast(kind, effect, low, high, level, p, deviation * math.sqrt(2))


def on_scale(values: Sequence[float], kind: Kind) -> Floats:
    """Return values on the scale on which they are compared: logarithms for a ratio."""
    numbers = np.asarray(values, np.float64)
    return np.log(numbers) if kind == "ratio" else numbers
