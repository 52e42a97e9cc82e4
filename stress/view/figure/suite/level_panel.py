# SPDX-License-Identifier: MIT
"""A panel of small multiples: one metric by the values of one axis, one series per entry."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from stress.analysis.comparison.axis_points import UNVARIED_TEXT, AxisPoint
from stress.view.figure import style
from stress.view.figure.metric_axis import Scale
from stress.view.figure.series_style import MARK_PT, series_marker
from stress.view.figure.style import Look

STRIPE = "#eef1f5"  # behind the baseline's value
STEP = 0.19  # between series, as a share of the room of a value
REACH = 0.7  # of that room, for all series
LEAST_PT = 2.5  # size of a mark where many series crowd
LETTER, BOLD_LETTER = 0.61, 0.69  # the width of one, as a share of the font's size
SLANT = 30  # degrees, of the names of values that would overlap
SHORT = {"not applicable": "n/a", "failed": "failed", "not run": "not run"}


def series_spacing(series: int) -> float:
    """Return the distance between so many series, as a share of the room of a value."""
    return min(STEP, REACH / max(1, series - 1))


def series_offsets(series: Sequence[str]) -> dict[str, float]:
    """Return the offset of each series from the place of a value, as a share of the room of a value."""
    return {
        label: (number - (len(series) - 1) / 2) * series_spacing(len(series)) for number, label in enumerate(series)
    }


def draw_panel(
    axes: Axes, points: Sequence[AxisPoint], values: Sequence[str], scale: Scale, by: Mapping[str, Look]
) -> None:
    """Draw medians with their intervals, and the baseline of each series as a line.

    Args:
        axes: empty, at their final place.
        points: of one axis and metric.
        values: of the axis, in their order.
        scale: of the metric.
        by: the look of each series.
    """
    scale.apply(axes)
    axes.grid(visible=True, axis="y")
    axes.set_xlim(-0.5, len(values) - 0.5)
    axes.xaxis.set_major_locator(NullLocator())
    for value in dict.fromkeys(point.level for point in points if point.baseline and point.level != UNVARIED_TEXT):
        place = values.index(value)
        axes.axvspan(place - 0.5, place + 0.5, facecolor=STRIPE, linewidth=0, zorder=0)
    aside = series_offsets([label for label in by if any(point.scenario == label for point in points)])
    room_pt = axes.bbox.width / len(values) * 72 / style.DPI
    size = max(min(MARK_PT, 0.9 * series_spacing(len(aside)) * room_pt), LEAST_PT) if len(aside) > 1 else MARK_PT
    for label, shift in aside.items():
        these = [point for point in points if point.scenario == label]
        _draw_series(axes, these, values, scale, shift=shift, look=by[label], size=size)


def _draw_series(
    axes: Axes,
    points: Sequence[AxisPoint],
    values: Sequence[str],
    scale: Scale,
    *,
    shift: float,
    look: Look,
    size: float,
) -> None:
    drawn = {filled: series_marker(look, filled=filled, size=size) for filled in (False, True)}
    places: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for point in points:
        estimate = point.estimate
        if estimate is None:
            continue
        place, median = values.index(point.level) + shift, scale.clip(estimate.median)
        places[point.effect is not None and point.effect.changes].append((place, median))
        axes.plot(
            [place, place], [scale.clip(estimate.low), scale.clip(estimate.high)],
            color=look.colour, linewidth=1.5, zorder=3, solid_capstyle="butt", clip_on=False,
        )  # fmt: skip
        if point.baseline and len(values) > 1:
            axes.axhline(median, color=look.colour, linewidth=0.7, alpha=0.6, zorder=1)
    for filled, line in drawn.items():
        if places[filled]:
            line.set_data(*zip(*places[filled], strict=True))
            axes.add_line(line)


def value_names(points: Sequence[AxisPoint], values: Sequence[str]) -> list[str]:
    """Return the name of each value, with the reason if it has no trial."""
    names = []
    for value in values:
        reasons = {point.missing for point in points if point.level == value}
        missing = [SHORT[reason] for reason in reasons if reason] if None not in reasons else []
        names.append("\n".join([value, *(f"({reason})" for reason in sorted(missing))]))
    return names


def fit_value_names(names: Sequence[str], room_pt: float, font_pt: float) -> tuple[list[str], float, float]:
    """Return the names of values as they fit next to each other, their rotation (degrees), and their height (pt).

    Args:
        names: from left to right.
        room_pt: of each name.
        font_pt: size of the font.
    """
    for broken in (names, [name.replace(" ", "\n") for name in names]):
        widths_pt = [BOLD_LETTER * font_pt * max(map(len, name.split("\n"))) for name in broken]
        if all((one + other) / 2 + font_pt / 2 < room_pt for one, other in pairwise(widths_pt)):
            return list(broken), 0, 1.3 * font_pt * max(name.count("\n") + 1 for name in broken)
    single = [name.replace("\n", " ") for name in names]
    return single, SLANT, BOLD_LETTER * font_pt * max(map(len, single)) * math.sin(math.radians(SLANT)) + 1.3 * font_pt


def draw_value_names(axes: Axes, names: Sequence[str], usual: Sequence[bool], turned: float, font_pt: float) -> None:
    """Write the names of values below axes, the baseline's in bold."""
    axes.set_xticks(range(len(names)), names)
    axes.tick_params(axis="x", length=0, labelsize=font_pt)
    for text, bold in zip(axes.get_xticklabels(), usual, strict=True):
        text.set(
            rotation=turned,
            rotation_mode="anchor",
            horizontalalignment="right" if turned else "center",
            fontweight="bold" if bold else "normal",
            color=style.INK if bold else style.QUIET,
        )
