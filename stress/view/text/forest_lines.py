# SPDX-License-Identifier: MIT
"""The lines and ticks of a forest plot as numbers, shared by the picture and the page.

Ratios and differences of all units share one axis, because each is drawn in multiples of its own threshold; of ratios
the logarithm, so that 2 and 1/2 are equally far out. Worse is to the right, whatever the direction of the metric.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from stress.analysis.comparison.change import change_of
from stress.analysis.comparison.verdict import Comparison
from stress.analysis.metric import find_metric
from stress.model.text import join_words
from stress.view.text import comparison_wording as words
from stress.view.text import metric_wording

LINES_MAX = 64  # comparisons in a plot

FARTHEST = 1e6  # thresholds; changes beyond are drawn there

TICKS = (1, 2, 5, 10, 20, 50, 100, 1000, 10_000, 100_000, 1_000_000)

TICK_ROOM = 0.065  # between two ticks, as a share of the plot's width


@dataclass(frozen=True)
class ForestLine:
    """A comparison as the plot shows it, in multiples of its threshold; worse is positive.

    Attributes:
        comparison: the comparison.
        effect: the change; None without data.
        low: the better end of its interval.
        high: the worse end.
    """

    comparison: Comparison
    effect: float | None
    low: float
    high: float


def forest_line(comparison: Comparison) -> ForestLine:
    """Return a comparison as it is drawn."""
    change = change_of(comparison)
    if change is None:
        return ForestLine(comparison, None, 0.0, 0.0)
    sign = -1 if find_metric(comparison.metric).better == "higher" else 1
    low, effect, high = sorted(
        sign * max(-FARTHEST, min(FARTHEST, value / change.least)) if change.least else sign * math.copysign(1, value)
        for value in (change.low, change.effect, change.high)
    )
    return ForestLine(comparison, effect, low, high)


def lines_by_row(comparisons: Sequence[Comparison], most: int = LINES_MAX) -> dict[str, list[ForestLine]]:
    """Return the lines to draw, by row; of more than ``most`` those that matter most."""
    shown = [comparison for comparison in comparisons if not words.is_of_nothing(comparison)]
    selected = {id(comparison) for comparison in words.order_comparisons(shown)[:most]}
    rows = words.group_by_row(shown)
    drawn = {
        row: [forest_line(comparison) for comparison in these if id(comparison) in selected]
        for row, these in rows.items()
    }
    return {row: lines for row, lines in drawn.items() if lines}


def omitted_text(comparisons: Sequence[Comparison], most: int = LINES_MAX) -> str:
    """Return how many comparisons of each verdict are not drawn; empty if all are drawn."""
    shown = [comparison for comparison in comparisons if not words.is_of_nothing(comparison)]
    counts = Counter(comparison.verdict for comparison in words.order_comparisons(shown)[most:])
    parts = [f"{counts[verdict]:,} {verdict.replace('-', ' ')}" for verdict in words.SEVERITY if counts[verdict]]
    if len(comparisons) > len(shown):
        parts.append(f"{len(comparisons) - len(shown):,} explored that are zero, or have no value, in both arms")
    return f"not drawn: {join_words(parts)}" if parts else ""


def axis_limit(lines: Sequence[ForestLine]) -> float:
    """Return the ends of the axis, to either side of 0, in thresholds."""
    farthest = max((max(abs(line.low), abs(line.high)) for line in lines if line.effect is not None), default=1)
    return max(3.0, 1.25 * farthest)


def axis_ticks(limit: float) -> list[int]:
    """Return the ticks on one side of an axis that ends at ``limit``, with room between them."""
    ticks = [0]
    for tick in TICKS:
        room = (math.asinh(tick) - math.asinh(ticks[-1])) / math.asinh(limit) / 2
        if tick <= limit and room >= TICK_ROOM:
            ticks.append(tick)
    return ticks[1:]


def threshold_text(comparison: Comparison) -> str:
    """Return the least change that matters: ``'±5 %'`` of a ratio, ``'±35.4'`` of a difference."""
    if comparison.kind == "ratio":
        return f"±{100 * comparison.threshold:.3g} %"
    return f"±{metric_wording.count_text(comparison.threshold)}"
