# SPDX-License-Identifier: MIT
"""The distribution of a change between sessions, where sessions have outliers.

With one session in an arm everything depends on how often a single session lies far out, and a few sessions of one
metric do not say it. Those of all metrics of a gate do: their shape is measured together (Geary 1935). If they are
surely less even than normal ones, sessions are taken to follow Student's t distribution with as few degrees of freedom
as have that shape, and the p of a change is that of sessions so distributed. Deviations are not estimated robustly: an
outlier would then be an alarm, and it is what this machine does.

With two sessions or more in both arms an outlier widens its own arm, so that the plain test is safe (docs/validation.md
has the figures), and it is used.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from stress.model.extra import require_package

NORMAL = math.inf
TAILS = (NORMAL, 12.0, 8.0, 6.0, 5.0, 4.0, 3.5, 3.0, 2.5, 2.1)  # degrees of freedom, the variance is finite above 2
SESSIONS_MIN = 4  # of a sample: three differ in one shape only
# How many standard errors samples must be less even than normal ones: of normal ones, one set in a hundred is. Such a
# set finds less, so that it must be rare; sessions with outliers are less even by much more.
ERRORS_BELOW = 2.33
SAMPLES = 20_000  # by which the evenness of a distribution is known to a thousandth
ARRANGEMENTS = 2_000  # of the sessions but one; the last one is integrated, so that small p are exact
SEED = 1935

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Design:
    """How many sessions a change rests on.

    Attributes:
        base: sessions of the base arm.
        new: sessions of the new arm.
        further: degrees of freedom of the spread of sessions that are in neither arm.
    """

    base: int
    new: int
    further: int = 0

    @property
    def df(self) -> int:
        """Degrees of freedom of the pooled deviation."""
        return self.base + self.new - 2 + self.further

    @property
    def is_sensitive(self) -> bool:
        """Whether one session alone stands for an arm."""
        return min(self.base, self.new) == 1


@dataclass(frozen=True)
class Shape:
    """How even the values of one sample of sessions are.

    Attributes:
        sessions: their number.
        evenness: as ``evenness`` returns it.
    """

    sessions: int
    evenness: float


def evenness(values: Floats) -> float | None:
    """Return the mean absolute deviation as a share of the root of the mean square one; None where all are equal.

    Of a large normal sample it is 0.80, with outliers less (Geary 1935).
    """
    distance = values - values.mean()
    square = float((distance**2).mean())
    return float(np.abs(distance).mean()) / math.sqrt(square) if square > 0 else None


def estimate_tail(shapes: Sequence[Shape]) -> float:
    """Return the degrees of freedom of the t distribution that sessions follow; NORMAL unless they surely do not.

    Args:
        shapes: of all samples of a gate in which nothing changed: the base sessions of each metric, and those that
            were measured for the spread. Smaller ones than SESSIONS_MIN say nothing.
    """
    shapes = [shape for shape in shapes if shape.sessions >= SESSIONS_MIN]
    if not shapes:
        return NORMAL
    usual = [usual_evenness(shape.sessions) for shape in shapes]
    weights = np.array([1 / error**2 for _, error in usual])
    measured = float(weights @ [shape.evenness for shape in shapes]) / float(weights.sum())
    expected = weights @ np.array([means for means, _ in usual]) / weights.sum()
    if measured >= expected[0] - ERRORS_BELOW / math.sqrt(float(weights.sum())):
        return NORMAL
    return TAILS[1 + int(np.abs(expected[1:] - measured).argmin())]


@lru_cache(maxsize=64)
def usual_evenness(sessions: int) -> tuple[tuple[float, ...], float]:
    """Return the mean evenness of a sample by each of TAILS, and the standard deviation of that of a normal one."""
    generator = np.random.default_rng(SEED)
    means, error = [], 0.0
    for tail in TAILS:
        drawn = draw_sessions(generator, tail, (SAMPLES, sessions))
        distance = drawn - drawn.mean(1, keepdims=True)
        even = np.abs(distance).mean(1) / np.sqrt((distance**2).mean(1))
        means.append(float(even.mean()))
        error = error or float(even.std())
    return tuple(means), error


def draw_sessions(generator: np.random.Generator, tail: float, shape: tuple[int, ...]) -> Floats:
    """Return values of sessions in any unit."""
    return generator.standard_normal(shape) if tail == NORMAL else generator.standard_t(tail, shape)


def two_sided_p(change: float, design: Design, tail: float = NORMAL) -> float:
    """Return the probability of a change at least as large, if nothing changes.

    Args:
        change: in standard errors, not negative.
        design: how many sessions it rests on.
        tail: degrees of freedom of the sessions' distribution.
    """
    require_package("scipy", "compare", "Comparing runs")
    from scipy.special import stdtr  # noqa: PLC0415  # it takes a third of a second, and few commands compare

    if tail == NORMAL or not design.is_sensitive:
        return float(2 * stdtr(design.df, -change))
    centre, error = null_samples(max(design.base, design.new), design.further, tail)
    reach = change * error
    return float((stdtr(tail, -reach - centre) + stdtr(tail, centre - reach)).mean())


@lru_cache(maxsize=256)
def critical_value(design: Design, level: float, tail: float = NORMAL) -> float:
    """Return the change in standard errors whose p is 1 - level."""
    require_package("scipy", "compare", "Comparing runs")
    from scipy.optimize import brentq  # noqa: PLC0415  # as above
    from scipy.special import stdtrit  # noqa: PLC0415  # as above

    plain = float(stdtrit(design.df, (1 + level) / 2))
    if tail == NORMAL or not design.is_sensitive:
        return plain
    above = plain
    while two_sided_p(above, design, tail) > 1 - level:
        above *= 2
    return float(brentq(lambda change: two_sided_p(change, design, tail) - (1 - level), 0, above, xtol=1e-6))


@lru_cache(maxsize=64)
def null_samples(sessions: int, further: int, tail: float) -> tuple[Floats, Floats]:
    """Return what the change from a larger arm to a single session depends on, but for that session.

    Args:
        sessions: of the larger arm.
        further: degrees of freedom of the spread of sessions in neither arm.
        tail: degrees of freedom of the distribution of all of them.

    Returns:
        The mean of the larger arm and the standard error of the change, shape (ARRANGEMENTS,) each.
    """
    generator = np.random.default_rng(SEED)
    arm = draw_sessions(generator, tail, (ARRANGEMENTS, sessions))
    centre = arm.mean(1)
    squares = ((arm - centre[:, np.newaxis]) ** 2).sum(1)
    if further:
        others = draw_sessions(generator, tail, (ARRANGEMENTS, further + 1))
        squares += ((others - others.mean(1, keepdims=True)) ** 2).sum(1)
    return centre, np.sqrt(squares / (sessions - 1 + further) * (1 + 1 / sessions))
