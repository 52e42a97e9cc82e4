# SPDX-License-Identifier: MIT
"""What two detectors say of a series: steps that both find, steps that one of them finds, and drifts.

One detector fits levels by distances (``potts``), the other lines by squares, which may slope (``lines``). They differ
in what outliers do to them, in the noise that they assume, and in their search, so that a step that both find is not an
artefact of one of them. A drift is the second one's alone; where there is one, the first looks at what is left of the
series without it.

A long series is searched in windows at places that do not change when points are added, so that what was found in those
before can be stored.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

from stress.analysis.history.lines import Lines, Stretch, fit_lines
from stress.analysis.history.model_selection import Cuts, Floats
from stress.analysis.history.potts import DEVIATION_OF_MAD, potts_steps
from stress.analysis.history.transform import COUNT_NOISE_FLOOR, TransformedSeries
from stress.analysis.history.two_levels import Flips, find_flips

NEAR_POINTS = 2  # two detectors may be so many points apart and still mean the same step
SEARCHED_MIN = 4  # points of a series that is searched
WINDOW_POINTS = 1_000  # searched at once for levels; fewer points show a step
LINES_WHOLE = 400  # points of a series to which lines are fitted as a whole: the fit takes quadratic time
LINES_WINDOW = 256  # points about a step, and at the end, to which they are fitted in a longer one
SURE_MARGIN = 2.5  # by which the criterion with slopes is better than without, where a drift is confirmed
SHORT_POINTS, SHORT_MARGIN = 30, 0.1  # in a shorter series the margin is larger by so much for each point fewer
DRIFT_DEVIATIONS = 2.0  # of the noise: a drift that is confirmed leads at least so far
JUMP_DEVIATIONS = 3.0  # of the noise: what a step that begins or ends a drift has at least
STRAY_REACH, STRAY_DEVIATIONS = 4, 4.0  # points on either side of which a stray one is so far off


class Memo(Protocol):
    """Results of a computation by its name and its contents, so that what was computed once is only looked up."""

    def __call__(self, name: str, contents: Sequence[Any], compute: Callable[[], Any]) -> Any:
        """Return what a function computes from some arrays and lists of numbers, and from nothing else."""


def compute_anew(name: str, contents: Sequence[Any], compute: Callable[[], Any]) -> Any:  # noqa: ARG001  # a Memo
    """Return what a function computes."""
    return compute()


class Slope(NamedTuple):
    """A sloped part of a series, on the scale on which it is searched: points ``first`` up to before ``last``."""

    first: int
    last: int
    begin: float
    end: float
    is_sure: bool
    is_step: bool = False  # it lies between two levels, and is shorter than either: a step that took some points


@dataclass(frozen=True)
class Detected:
    """What the detectors say of a series.

    Attributes:
        both: the first points after steps that both find.
        one: of steps that one of them finds.
        slopes: the drifts, none overlapping.
        flips: the two levels between which the series flips; None where it does not.
    """

    both: Cuts
    one: Cuts
    slopes: tuple[Slope, ...] = ()
    flips: Flips | None = None


def is_near(cut: int, others: Iterable[int]) -> bool:
    """Return whether a step counts as the same as one of some others."""
    return any(abs(cut - other) <= NEAR_POINTS for other in others)


def detect_changes(series: TransformedSeries, fixed: Cuts, memo: Memo = compute_anew) -> Detected:
    """Return what the detectors say of a series; both start afresh at the steps that are known.

    Args:
        series: the transformed series.
        fixed: steps that are known.
        memo: where the fits are looked up by their contents, and stored.
    """
    points = len(series.values)
    if points < SEARCHED_MIN or series.values.min() == series.values.max():
        return Detected((), ())
    levels = search_levels(series, fixed, memo)
    clean, floor = without_strays(series.values, series.floor), series.floor / COUNT_NOISE_FLOOR
    lines, slopes, criterion = search_lines(clean, floor, fixed, levels, memo)
    flips = find_flips(clean, floor, criterion)
    if flips is not None:
        slopes = []
    taking = [slope for slope in slopes if slope.is_sure and slope.is_step]
    slow = [slope.first for slope in taking if any(slope.first <= cut <= slope.last for cut in levels)]
    slopes = [slope for slope in slopes if slope not in taking]
    sure = [slope for slope in slopes if slope.is_sure]
    if sure:
        levels = search_levels(replace(series, values=series.values - climbed(sure, points)), fixed, memo)
    levels = tuple(cut for cut in levels if not any(slope.first < cut <= slope.last for slope in taking))
    both = tuple(sorted({*slow, *(cut for cut in levels if is_near(cut, lines))}))
    both = tuple(cut for cut in both if not is_near(cut, fixed))
    kinks = [end for slope in sure for end in (slope.first, slope.last)]
    alone = [cut for cut in levels if not is_near(cut, [*lines, *kinks, *slow])]
    alone += [cut for cut in lines if not is_near(cut, [*levels, *kinks])]
    return Detected(both, tuple(sorted(alone)), tuple(slopes), flips)


def search_levels(series: TransformedSeries, fixed: Cuts, memo: Memo) -> Cuts:
    """Return the steps between levels.

    Many points are searched in windows that overlap by half; each window contributes the steps in its middle.
    """
    points = len(series.values)
    cuts: set[int] = set()
    for begin in range(0, max(points - WINDOW_POINTS // 2, 1), WINDOW_POINTS // 2):
        end = min(begin + WINDOW_POINTS, points)
        low = 0 if begin == 0 else begin + WINDOW_POINTS // 4
        high = points if end == points else end - WINDOW_POINTS // 4
        part = TransformedSeries(series.values[begin:end], series.weights[begin:end], series.floor)
        inside = tuple(cut - begin for cut in fixed if begin < cut < end)
        contents = [part.values, part.weights, [part.floor, *inside]]
        own = memo("levels", contents, partial(potts_steps, part, inside))
        cuts |= {cut for offset in own if low <= (cut := begin + int(offset)) < high}
    return tuple(sorted(cuts))


def search_lines(
    clean: Floats, floor: float, fixed: Cuts, levels: Cuts, memo: Memo
) -> tuple[list[int], list[Slope], float]:
    """Return the steps between lines, the drifts, and the criterion of the fit if it is one of all points.

    Where there are many points, lines are fitted to those about each step between levels, to the newest ones, and to
    the medians of blocks of all, in which long drifts show.
    """
    cuts: set[int] = set()
    criterion = -math.inf
    slopes: list[Slope] = []

    def fit(values: Floats) -> Lines:
        stretches, levels, *others = memo("lines", [values, [floor]], lambda: astuple(fit_lines(values, floor)))
        return Lines(tuple(Stretch(*stretch) for stretch in stretches), tuple(levels), *others)

    for first, last in pairwise([0, *fixed, len(clean)]):
        if last - first <= LINES_WHOLE:
            lines = fit(clean[first:last])
            cuts |= {first + cut for cut in cuts_of(lines)}
            slopes += slopes_of(lines, first)
            criterion = lines.criterion if last - first == len(clean) else -math.inf
            continue
        size = 1 << math.ceil(math.log2((last - first) / LINES_WHOLE))
        blocks = np.median(clean[first : first + (last - first) // size * size].reshape(-1, size), axis=1)
        own = [slope for slope in slopes_of(fit(blocks), first, size) if slope.is_sure]
        for begin in windows_about(first, last, levels):
            lines = fit(clean[begin : min(begin + LINES_WINDOW, last)])
            cuts |= {begin + cut for cut in cuts_of(lines)}
            if begin + LINES_WINDOW >= last:
                new = [slope for slope in slopes_of(lines, begin) if slope.is_sure]
                own += [slope for slope in new if all(slope.first >= other.last for other in own)]
        slopes += own
    return sorted(cuts), slopes, criterion


def windows_about(first: int, last: int, levels: Cuts) -> list[int]:
    """Return where the windows begin to which lines are fitted: about steps between levels, and at the end."""
    grid = LINES_WINDOW // 4
    newest = first + max(0, (last - first - 1) // grid * grid - 3 * grid)
    about = {first + max(0, (cut - first - LINES_WINDOW // 2) // grid * grid) for cut in levels if first < cut < last}
    return sorted({*(min(begin, newest) for begin in about), newest})


def is_drifting(fit: Lines) -> bool:
    """Return whether slopes explain points so much better than levels alone that a drift is confirmed."""
    missing = max(0, SHORT_POINTS - fit.stretches[-1].last)
    return fit.flat - fit.criterion > SURE_MARGIN + SHORT_MARGIN * missing


def cuts_of(fit: Lines) -> list[int]:
    """Return the steps of a fit, those between levels alone where slopes explain nothing better.

    Where a slope begins or ends without a jump, there is no step.
    """
    if not is_drifting(fit):
        return list(fit.levels)
    cuts = []
    for before, after in pairwise(fit.stretches):
        jump = after.begin - before.end
        sizes = [abs(jump), *(abs(jump - stretch.slope) for stretch in (before, after) if stretch.is_sloped)]
        if len(sizes) == 1 or min(sizes) >= JUMP_DEVIATIONS * fit.deviation:
            cuts.append(after.first)
    return cuts


def slopes_of(fit: Lines, first: int, size: int = 1) -> list[Slope]:
    """Return the drifts of a fit to blocks of points, of which the first one begins at a point."""
    is_sure = is_drifting(fit)
    slopes: list[Slope] = []
    for before, stretch, after in zip((None, *fit.stretches), fit.stretches, (*fit.stretches[1:], None), strict=False):
        if stretch.is_sloped:
            is_far = abs(stretch.end - stretch.begin) >= DRIFT_DEVIATIONS * fit.deviation
            ends = (first + stretch.first * size, first + stretch.last * size)
            points = stretch.last - stretch.first
            is_between = all(one is not None and not one.is_sloped for one in (before, after))
            is_step = is_between and all(one.last - one.first > points for one in (before, after) if one is not None)
            slopes.append(Slope(*ends, stretch.begin, stretch.end, is_sure and is_far, is_step))
    return slopes


def climbed(slopes: Sequence[Slope], points: int) -> Floats:
    """Return how far the slopes have led at each point, shape (points,)."""
    rises = np.zeros(points)
    for slope in slopes:
        steps = slope.last - slope.first - 1
        rises[slope.first + 1 : slope.last] = (slope.end - slope.begin) / steps
    return np.asarray(np.cumsum(rises))


def without_strays(values: Floats, floor: float) -> Floats:
    """Return values in which each that is far from the median of its neighbours is replaced by it.

    Far is in terms of the noise between neighbours, or of the distances of these neighbours where they are larger.
    """
    apart = np.median(np.abs(np.diff(values))) * DEVIATION_OF_MAD / np.sqrt(2)
    padded = np.pad(values, STRAY_REACH, constant_values=np.nan)
    near = np.lib.stride_tricks.sliding_window_view(padded, 2 * STRAY_REACH + 1)
    middle = np.nanmedian(near, axis=1)
    spread = np.nanmedian(np.abs(near - middle[:, None]), axis=1) * DEVIATION_OF_MAD
    is_stray = np.abs(values - middle) > STRAY_DEVIATIONS * np.maximum(spread, max(float(apart), floor))
    return np.where(is_stray, middle, values)
