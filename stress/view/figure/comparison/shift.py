# SPDX-License-Identifier: MIT
"""The shift plot: the ratio new / base of each quantile of the body, with simultaneous confidence bands."""

import math
from collections.abc import Sequence

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from stress.analysis.comparison import shift as analysis
from stress.analysis.comparison.arm import Arm, Latencies, common_blocks
from stress.analysis.comparison.shift import BEYOND_MIN, PROBABILITIES, TRIALS_MIN, Shift
from stress.analysis.statistics.trials import THRESHOLD
from stress.model.units import duration_text
from stress.view.figure import style
from stress.view.figure.caption import caption_rise
from stress.view.figure.comparison.arm_style import caption_of, title_of
from stress.view.figure.series_style import series_colour, series_shape
from stress.view.figure.sheet import ROW, new_sheet
from stress.view.text.metric_wording import percent_text, ratio_text

LEFT, FOOT, RIGHT_EDGE = 0.092, 0.235, 0.97
NARROWEST = 1.16  # least upper end of the axis; the lower end is its inverse
STEP = 0.16  # between arms, in quantiles
DECILES = 0.9  # the highest decile
TAIL_GAP = 0.5  # between the deciles and the tail, in quantiles
VALUES_MAX = 1  # arms up to which ratios are written next to the marks
TICK_ROOM = 0.07  # between two ticks, as a share of the axis
FACTORS = (1.02, 1.05, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100, 1000)


def quantile_text(probability: float) -> str:
    """Return the name of a quantile: ``'p50'``, ``'p99.9'``."""
    return f"p{100 * probability:.6g}"


def quantile_place(probability: float) -> float:
    """Return the place of a quantile on the axis; the tail is apart from the deciles."""
    return PROBABILITIES.index(probability) + (TAIL_GAP if probability > DECILES else 0.0)


def quantile_shifts(base: Arm, others: Sequence[Arm]) -> list[Shift | None]:
    """Return the shift of the body of each arm against the base; None if either has no attempt in its body."""
    old = base.bodies_ns()
    results: list[Shift | None] = []
    for arm in others:
        now = arm.bodies_ns()
        pairs = common_blocks(base, arm)
        known = [(one, other) for one, other in pairs if old[one].size and now[other].size]
        if known:
            one, other = [old[trials] for trials, _ in known], [now[trials] for _, trials in known]
        else:
            one, other = with_attempts(old), with_attempts(now)
        results.append(analysis.quantile_shift(one, other, paired=bool(known)) if one and other else None)
    return results


def with_attempts(trials: Sequence[Latencies]) -> list[Latencies]:
    """Return the trials that have attempts."""
    return [trial for trial in trials if trial.size]


def axis_reach(curves: Sequence[Shift]) -> float:
    """Return the upper end of an axis with room for every ratio and for the bands of the deciles, not of the tail.

    The band of a quantile of few attempts can be wider than everything else together.
    """
    ends = [math.log(NARROWEST)]
    for curve in curves:
        deciles = np.array([probability <= DECILES for probability in curve.probabilities], bool)
        ends += [1.4 * abs(end) for end in np.log(curve.ratio).tolist()]
        if curve.level:
            ends += [1.15 * abs(end) for end in np.log(np.append(curve.low[deciles], curve.high[deciles])).tolist()]
    return math.exp(max(ends))


def axis_ticks(reach: float) -> list[float]:
    """Return the ticks above 1 of an axis that ends at ``reach``, with room between them."""
    ticks = [1.0]
    for factor in FACTORS:
        if factor < reach and math.log(factor / ticks[-1]) / math.log(reach) / 2 >= TICK_ROOM:
            ticks.append(factor)
    return ticks[1:]


def draw_shifts(axes: Axes, curves: Sequence[Shift | None]) -> None:
    """Draw shifts into axes at their final place in the figure; the first one is of arm number 1."""
    known = [curve for curve in curves if curve is not None]
    reach = axis_reach(known)
    axes.set_yscale("log")
    axes.set_ylim(1 / reach, reach)
    ticks = axis_ticks(reach)
    axes.yaxis.set_major_locator(FixedLocator([*(1 / tick for tick in ticks), 1, *ticks]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: ratio_text(value)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True, axis="y")
    axes.axhspan(1 / (1 + THRESHOLD), 1 + THRESHOLD, facecolor="#e3e7ec", linewidth=0, zorder=0.2)
    axes.axhline(1, color=style.QUIET, linewidth=0.8, zorder=0.4)
    axes.set_xlim(-0.6, quantile_place(PROBABILITIES[-1]) + 0.6)
    for number, curve in enumerate(curves):
        if curve is not None:
            aside = (number - (len(curves) - 1) / 2) * STEP
            _draw_arm(axes, curve, number + 1, aside, written=len(curves) <= VALUES_MAX)
    _draw_names(axes, known)


def _draw_arm(axes: Axes, curve: Shift, number: int, aside: float, *, written: bool) -> None:
    """Draw the ratios and bands of one arm; deciles are joined by a line, the tail is not."""
    colour = series_colour(number)
    places = np.array([quantile_place(probability) for probability in curve.probabilities]) + aside
    low, high = axes.get_ylim()
    if curve.level:
        bars = np.clip(curve.low, low, high), np.clip(curve.high, low, high)
        axes.vlines(places, *bars, colors=colour, linewidth=1.6, zorder=2, label="band")
        for beyond, edge, caret in ((curve.high > high, high, "^"), (curve.low < low, low, "v")):
            axes.plot(
                places[beyond], np.full(np.count_nonzero(beyond), edge), linestyle="none", marker=caret, markersize=5,
                color=colour, clip_on=False, label="_beyond",
            )  # fmt: skip
    deciles = np.array([probability <= DECILES for probability in curve.probabilities], bool)
    axes.plot(places[deciles], curve.ratio[deciles], color=colour, linewidth=0.9, alpha=0.6, zorder=2, label="_deciles")
    axes.plot(
        places, curve.ratio, linestyle="none", marker=arm_marker(number), markersize=6.5, color=colour,
        markeredgecolor="white", markeredgewidth=0.5, zorder=3, label="ratio",
    )  # fmt: skip
    for place, ratio in zip(places, curve.ratio, strict=True) if written else ():
        axes.annotate(
            ratio_text(ratio), (place, ratio), (4, 5), textcoords="offset points", fontsize=8, color=style.INK,
        )  # fmt: skip


def _draw_names(axes: Axes, known: Sequence[Shift]) -> None:
    """Name the quantiles, each with its value in the base arm, or with the number of attempts that it needs."""
    names = []
    for probability in PROBABILITIES:
        with_quantile = [curve for curve in known if probability in curve.probabilities]
        if with_quantile:
            place = with_quantile[0].probabilities.index(probability)
            below = duration_text(float(with_quantile[0].base_ns[place]))
        else:
            below = f"needs\n{BEYOND_MIN / (1 - probability):,.0f}"
        names.append(f"{quantile_text(probability)}\n{below}")
    axes.set_xticks([quantile_place(probability) for probability in PROBABILITIES], names, fontsize=9, color=style.INK)
    axes.tick_params(axis="x", length=0)


def detail(arms: Sequence[Arm], curves: Sequence[Shift | None]) -> str:
    """Return in how many quantiles the body of each arm differs significantly from the base."""
    texts = []
    for arm, curve in zip(arms[1:], curves, strict=True):
        if curve is None or not curve.level:
            texts.append(f"{arm.label}: fewer than {TRIALS_MIN} trials, too few to tell")
            continue
        differ = [number for number in range(len(curve.ratio)) if not curve.low[number] <= 1 <= curve.high[number]]
        if not differ:
            texts.append(f"{arm.label}: no quantile surely differs")
        else:
            most = max(differ, key=lambda number: abs(np.log(curve.ratio[number])))
            worst = f"{quantile_text(curve.probabilities[most])} most, {ratio_text(curve.ratio[most])}"
            texts.append(f"{arm.label}: {len(differ)} of {len(curve.ratio)} quantiles surely differ, {worst}")
    return "; ".join(texts)


def legend_entries(arms: Sequence[Arm]) -> list[Line2D]:
    """Return a labelled sample of each arm but the base, for ``Figure.legend``."""
    return [
        Line2D(
            [], [], color=series_colour(number), linewidth=1.6, marker=arm_marker(number), markersize=6.5,
            markeredgecolor="white", label=f" {arm.label}",
        )
        for number, arm in enumerate(arms) if number
    ]  # fmt: skip


def arm_marker(number: int) -> str:
    """Return the mark of the arm of that number; the base is number 0 and has none."""
    return series_shape(number - 1)


def reading_notes(curves: Sequence[Shift | None]) -> list[str]:
    """Return how to read the plot, as phrases."""
    known = [curve for curve in curves if curve is not None]
    phrases = ["body: attempts that connected at once", "mark: Hodges-Lehmann ratio over trials"]
    if levels := [curve.level for curve in known if curve.level]:
        phrases.append(
            f"bar: holds all quantiles together, {percent_text(max(levels))} confidence, bootstrap over trials"
        )
    if known:
        phrases.append(
            "trials compared within blocks" if all(curve.paired for curve in known) else "arms compared as a whole"
        )
    phrases.append(f"grey: less than {percent_text(THRESHOLD)}; an arrow: the bar goes on")
    return phrases


def shift_figure(arms: Sequence[Arm]) -> Figure:
    """Return the shift plot of arms against the first of them, on a sheet of 1600 x 900 pixels.

    Raises:
        ValueError: there are fewer than two arms.
    """
    if len(arms) < 2:
        raise ValueError("A shift needs two arms.")
    curves = quantile_shifts(arms[0], arms[1:])
    with matplotlib.style.context(["default", style.RC]):
        samples = legend_entries(arms) if len(arms) > 2 else []
        figure, top = new_sheet(
            detail(arms, curves), title_of(arms), samples, [*reading_notes(curves), *caption_of(arms)]
        )
        top += 0 if samples else ROW
        foot = FOOT + caption_rise(figure)
        axes = figure.add_axes((LEFT, foot, RIGHT_EDGE - LEFT, top - foot), label="shift")
        draw_shifts(axes, curves)
        axes.set_ylabel(f"new / {arms[0].label}, log scale")
        axes.yaxis.set_label_coords(-0.066 / (RIGHT_EDGE - LEFT), 0.5)
        axes.set_xlabel(
            f"quantile of the body, and what it is in {arms[0].label}, or how many attempts of each trial it needs"
        )
    return figure
