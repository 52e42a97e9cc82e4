# SPDX-License-Identifier: MIT
"""Lines: stretches of a series, flat or sloped, whose noise is AR(1) within each of them, fitted exactly.

Steps and drifts are explained by one model, so that they compete: a drift that is broken into steps costs more than one
slope, and a step that is taken for a slope fits worse. The criterion is minus twice the logarithm of the Gaussian
likelihood plus a multiple of log n for each step and for each slope, as in the Bayesian information criterion. The
share of a value that is explained by the one before it is estimated together with them, up to nearly a random walk. The
fit is a dynamic programme over all stretches, in time proportional to the square of the number of points.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

STEP_COST = 3.5  # of a stretch more, in units of log n; these are chosen by simulation, see benchmarks/annotated.py
SLOPE_COST = 2.5  # of a slope, in units of log n
SHARES = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98])
PRICES = 7  # of a step that are tried, for each share
SLOPED_MIN = 8  # points of a sloped stretch; fewer are a step with points on the way
STRETCH_POINTS_MIN = 3  # points for each stretch, on the average
POINTS_MIN = 40  # in a shorter series a step costs as much as in one of this length: the share is estimated badly


class Stretch(NamedTuple):
    """Points ``first`` up to before ``last``, about a straight line.

    ``begin`` and ``end`` are the heights of the line at the first and at the last of them.
    """

    first: int
    last: int
    begin: float
    end: float

    @property
    def is_sloped(self) -> bool:
        """Whether the line is not flat."""
        return self.begin != self.end

    @property
    def slope(self) -> float:
        """How far the line leads from one point to the next."""
        return (self.end - self.begin) / max(self.last - self.first - 1, 1)


@dataclass(frozen=True)
class Lines:
    """The best fit.

    Attributes:
        stretches: one or more, without gaps.
        levels: the first points after the steps of the best fit without any slope.
        share: of a value that is explained by the one before it.
        deviation: standard deviation of the noise about the lines.
        criterion: smaller is better.
        flat: the criterion of the best fit without any slope.
    """

    stretches: tuple[Stretch, ...]
    levels: tuple[int, ...]
    share: float
    deviation: float
    criterion: float
    flat: float


class Sums(NamedTuple):
    """Sums of weighted products over each stretch, each of shape (shares, first, last)."""

    ones: Floats  # of the constant with itself
    height: Floats  # of the constant with the values
    place: Floats  # of the constant with the places
    squares: Floats  # of the values with themselves
    both: Floats  # of the values with the places
    places: Floats  # of the places with themselves


def fit_lines(values: Floats, floor: float) -> Lines:
    """Return the stretches that explain a series best.

    Args:
        values: without stray ones, shape (points,); one or more.
        floor: the smallest standard deviation that the noise is assumed to have.
    """
    points = len(values)
    heights = values - np.median(values)
    sums = stretch_sums(heights)
    flat, sloped = stretch_costs(sums)
    logarithm = float(np.log(max(points, POINTS_MIN)))
    criterion, row, ends = best_split(flat, sloped, floor, logarithm, SLOPE_COST)
    has_slope = any(is_sloped for _, _, is_sloped in ends)
    plain, _, levels = best_split(flat, sloped, floor, logarithm, np.inf) if has_slope else (criterion, row, ends)
    stretches = tuple(
        line_of(sums, row, first, last, float(np.median(values)), sloped=is_sloped) for first, last, is_sloped in ends
    )
    left = np.concatenate([values[s.first : s.last] - line_heights(s) for s in stretches])
    return Lines(
        stretches,
        tuple(first for first, _, _ in levels[1:]),
        float(SHARES[row]),
        max(float(left.std()), floor),
        criterion,
        plain,
    )


def line_heights(stretch: Stretch) -> Floats:
    """Return the height of the line at each point of a stretch."""
    return np.linspace(stretch.begin, stretch.end, stretch.last - stretch.first)


def stretch_sums(heights: Floats) -> Sums:
    """Return the sums of a series for all shares and stretches.

    Within a stretch all points but the first are the innovations of AR(1) noise; the first is weighted so that the
    noise is stationary.
    """
    points = len(heights)
    places = (np.arange(points) - (points - 1) / 2) / points
    rho = SHARES[:, None]
    first = 1 - rho**2
    late = np.zeros((len(SHARES), points)), np.zeros((len(SHARES), points)), np.zeros((len(SHARES), points))
    ones, z, v = late
    ones[:, 1:] = 1 - rho
    z[:, 1:] = heights[1:] - rho * heights[:-1]
    v[:, 1:] = places[1:] - rho * places[:-1]

    def over(later: Floats, at_first: Floats) -> Floats:
        total = np.concatenate([np.zeros((len(SHARES), 1)), np.cumsum(later, axis=1)], axis=1)
        return np.asarray(total[:, None, :] - total[:, 1:, None] + (first * at_first)[:, :, None])

    one = np.ones(points)
    return Sums(
        over(ones * ones, one),
        over(ones * z, heights),
        over(ones * v, places),
        over(z * z, heights**2),
        over(z * v, heights * places),
        over(v * v, places**2),
    )


def stretch_costs(sums: Sums) -> tuple[Floats, Floats]:
    """Return the squared innovations that remain of each stretch, flat and sloped; shape (shares, first, last).

    What is no stretch, or too short for a slope, costs infinitely.
    """
    points = sums.ones.shape[1]
    length = np.arange(points + 1)[None, :] - np.arange(points)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = sums.squares - sums.height**2 / sums.ones
        spread = sums.places - sums.place**2 / sums.ones
        sloped = flat - (sums.both - sums.place * sums.height / sums.ones) ** 2 / spread
    return (
        np.where(length >= 1, np.maximum(flat, 0), np.inf),
        np.where(length >= SLOPED_MIN, np.maximum(sloped, 0), np.inf),
    )


Split = list[tuple[int, int, bool]]  # stretches: first, last, whether it is sloped


def best_split(
    flat: Floats, sloped: Floats, floor: float, logarithm: float, slope_cost: float
) -> tuple[float, int, Split]:
    """Return the criterion of the best fit, the row of its share, and its stretches."""
    points = flat.shape[1]
    whole = flat[:, 0, points] / points
    start = -np.log(1 - SHARES**2)  # what the first point of a stretch adds to the criterion
    low = np.maximum(whole / 400, (floor * (1 - SHARES)) ** 2)
    sizes = np.geomspace(
        np.maximum(whole, low), low, PRICES, axis=1
    )  # of the squared innovations, shape (shares, prices)
    price = sizes * (STEP_COST * logarithm + start[:, None])
    slope_price = sizes * slope_cost * logarithm if np.isfinite(slope_cost) else None
    total = np.full((len(SHARES), PRICES, points + 1), np.inf)
    total[:, :, 0] = 0
    origin = np.zeros((len(SHARES), PRICES, points + 1), np.intp)
    is_sloped = np.zeros((len(SHARES), PRICES, points + 1), np.bool_)
    for last in range(1, points + 1):
        cost = flat[:, None, :last, last]
        if slope_price is not None and last >= SLOPED_MIN:
            with_slope = sloped[:, None, :last, last] + slope_price[:, :, None]
            slope_better = with_slope < cost
            cost = np.where(slope_better, with_slope, cost)
        sums = total[:, :, :last] + cost
        best = sums.argmin(axis=2)
        origin[:, :, last] = best
        total[:, :, last] = np.take_along_axis(sums, best[:, :, None], 2)[:, :, 0] + price
        if slope_price is not None and last >= SLOPED_MIN:
            is_sloped[:, :, last] = np.take_along_axis(slope_better, best[:, :, None], 2)[:, :, 0]
    best_of_all: tuple[float, int, Split] = (np.inf, 0, [(0, points, False)])
    for row in range(len(SHARES)):
        for column in range(PRICES):
            split = trace_split(origin[row, column], is_sloped[row, column])
            if len(split) > max(1, points // STRETCH_POINTS_MIN):
                continue  # so many levels explain any points, and leave nothing of which the noise could be measured
            remains = sum((sloped if slope else flat)[row, first, last] for first, last, slope in split)
            size = max(remains / points, (floor * (1 - SHARES[row])) ** 2)
            slopes = sum(slope for _, _, slope in split)
            criterion = points * float(np.log(size)) + float(start[row]) * len(split)
            criterion += logarithm * (STEP_COST * (len(split) - 1) + (slope_cost * slopes if slopes else 0))
            if criterion < best_of_all[0] - 1e-9:
                best_of_all = (criterion, row, split)
    return best_of_all


def trace_split(origin: npt.NDArray[np.intp], is_sloped: npt.NDArray[np.bool_]) -> Split:
    """Return the stretches on the path to the last point."""
    split: Split = []
    last = len(origin) - 1
    while last > 0:
        first = int(origin[last])
        split.append((first, last, bool(is_sloped[last])))
        last = first
    return split[::-1]


def line_of(sums: Sums, row: int, first: int, last: int, middle: float, *, sloped: bool) -> Stretch:
    """Return the line that fits a stretch best."""
    ones, height, place, _, both, places = (float(of[row, first, last]) for of in sums)
    slope = (both - place * height / ones) / (places - place**2 / ones) if sloped else 0.0
    points = sums.ones.shape[1]
    base = middle + (height - slope * place) / ones
    begin, end = (base + slope * (at - (points - 1) / 2) / points for at in (first, last - 1))
    return Stretch(first, last, begin, end)
