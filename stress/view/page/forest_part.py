# SPDX-License-Identifier: MIT
"""Forest plots in HTML: one row per comparison, its change and interval on an axis that all rows share."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stress.analysis.comparison.verdict import Comparison, Verdict
from stress.analysis.metric import Metric
from stress.analysis.statistics.trials import (
    CellTrials,
    Effect,
    better_or_worse,
    estimate_cell,
)
from stress.model.text import plural
from stress.view.page.document import Graphic
from stress.view.text import comparison_wording, metric_wording
from stress.view.text.forest_lines import FARTHEST, ForestLine, axis_ticks, lines_by_row

TITLE, TEMPLATE = "Changes", "forest.html"
LINES_MAX = 36  # in a page; the table below has all
LIMIT_MIN = 3.0  # thresholds, on either side of the axis
ROOM = 1.25  # beyond the farthest end
NAMES = {
    Verdict.REGRESSED: "worse",
    Verdict.IMPROVED: "better",
    Verdict.INCONCLUSIVE: "undecided",
    Verdict.EQUIVALENT: "same",
    Verdict.NO_DATA: "nothing",
}
EFFECT_NAMES = {"worse": "worse", "better": "better", None: "changed"}


@dataclass(frozen=True)
class PlotRow:
    """A row of a forest plot.

    Attributes:
        name: what was measured.
        values: base and new in words.
        change: the change.
        interval: its interval; ``""`` for none.
        verdict: in words.
        look: names the mark: worse, better, changed, undecided, same, nothing.
        low: place of the better end of the interval on the axis, in per cent of its width.
        at: of the change.
        high: of the worse end.
        is_bold: whether it gates.
    """

    name: str
    values: str
    change: str
    interval: str
    verdict: str
    look: str
    low: float
    at: float
    high: float
    is_bold: bool = True


@dataclass(frozen=True)
class Placed:
    """A change in multiples of the least that matters, worse being positive: better end, change, worse end."""

    low: float
    at: float
    high: float


@dataclass(frozen=True)
class Axis:
    """The axis of a plot, which ends at ``limit`` thresholds on either side of no change."""

    limit: float

    def place(self, value: float) -> float:
        """Return the place of a value, in per cent of the width."""
        share = math.asinh(max(-self.limit, min(self.limit, value))) / math.asinh(self.limit)
        return round(50 + 47 * share, 2)

    def ticks(self) -> list[tuple[float, str]]:
        """Return the places and texts of the ticks."""
        sides = axis_ticks(self.limit)
        return [(self.place(tick), metric_wording.count_text(abs(tick))) for tick in (*(-t for t in sides), 0, *sides)]


def axis_for(changes: Iterable[Placed]) -> Axis:
    """Return an axis that has room for all changes."""
    farthest = max((max(abs(change.low), abs(change.high)) for change in changes), default=1.0)
    return Axis(max(LIMIT_MIN, ROOM * min(farthest, FARTHEST)))


def comparison_forest(comparisons: Sequence[Comparison]) -> Graphic | None:
    """Return the forest plot of comparisons, the rows with the worst changes first; None where nothing is compared."""
    drawn = [item for item in comparisons if item.verdict is not Verdict.EQUIVALENT and not is_dull(item)]
    drawn = drawn or [item for item in comparisons if item.gating]
    groups = lines_by_row(drawn, LINES_MAX)
    lines = [line for of_group in groups.values() for line in of_group]
    if not lines:
        return None
    axis = axis_for(Placed(line.low, line.effect, line.high) for line in lines if line.effect is not None)
    rows = {name: [comparison_row(line, axis) for line in of_group] for name, of_group in groups.items()}
    return forest_graphic(rows, axis, left_out_text(comparisons, len(lines)))


def is_dull(comparison: Comparison) -> bool:
    """Return whether a comparison that is only explored has nothing decided."""
    return not comparison.gating and comparison.verdict in (Verdict.INCONCLUSIVE, Verdict.NO_DATA)


def left_out_text(comparisons: Sequence[Comparison], drawn: int) -> str:
    """Return how many comparisons are in the table only."""
    equivalent = sum(item.verdict is Verdict.EQUIVALENT for item in comparisons)
    rest = len(comparisons) - drawn
    if not rest:
        return ""
    text = f"Not drawn: {plural(rest, 'comparison')}"
    return f"{text}, {min(equivalent, rest):,} of them equivalent." if equivalent else f"{text}."


def comparison_row(line: ForestLine, axis: Axis) -> PlotRow:
    """Return the row of a comparison."""
    comparison = line.comparison
    change, interval = comparison_wording.effect_texts(comparison)
    base, new = (
        comparison_wording.estimate_text(comparison, estimate)
        for estimate in (comparison.base_estimate, comparison.new_estimate)
    )
    return PlotRow(
        name=comparison_wording.name_text(comparison),
        values=f"{base} → {new}",
        change=change,
        interval=interval,
        verdict=comparison_wording.verdict_text(comparison),
        look=NAMES[comparison.verdict],
        low=axis.place(line.low),
        at=axis.place(line.effect or 0.0),
        high=axis.place(line.high),
        is_bold=comparison.gating,
    )


def forest_graphic(rows: Mapping[str, Sequence[PlotRow]], axis: Axis, note: str) -> Graphic:
    """Return a forest plot of groups of rows."""
    count = sum(len(of_group) for of_group in rows.values())
    context = {
        "groups": list(rows.items()),
        "ticks": axis.ticks(),
        "band": (axis.place(-1), axis.place(1)),
        "note": note,
    }
    return Graphic(TITLE, TEMPLATE, context, f"{plural(count, 'change')} in multiples of the least that matters")


@dataclass(frozen=True)
class CellChange:
    """A change of a cell of a suite against its baseline in one metric."""

    group: str
    setting: str
    metric: Metric
    cell: CellTrials
    baseline: CellTrials
    effect: Effect
    threshold: float


def cell_forest(changes: Sequence[CellChange]) -> Graphic | None:
    """Return the forest plot of a suite's changes, those of each entry together; None where nothing changed."""
    placed = {id(change): place_change(change) for change in changes}
    in_order = sorted(changes, key=lambda change: (placed[id(change)].at <= 0, -abs(placed[id(change)].at)))
    shown = in_order[:LINES_MAX]
    if not shown:
        return None
    axis = axis_for(placed[id(change)] for change in shown)
    groups: dict[str, list[PlotRow]] = {}
    for change in shown:
        groups.setdefault(change.group, []).append(cell_row(change, placed[id(change)], axis))
    more = len(in_order) - len(shown)
    return forest_graphic(groups, axis, f"{plural(more, 'smaller change')} are in the table only." if more else "")


def place_change(change: CellChange) -> Placed:
    """Return a change in multiples of the least that is marked, worse being positive."""
    effect, metric = change.effect, change.metric
    if effect.kind == "ratio":
        ends = [math.log(max(value, 1 / FARTHEST)) / math.log1p(change.threshold) for value in ends_of(effect)]
    else:
        least = change.threshold
        ends = [value / least if least else math.copysign(1, value) for value in ends_of(effect)]
    sign = -1 if metric.better == "higher" else 1
    return Placed(*sorted(sign * max(-FARTHEST, min(FARTHEST, end)) for end in ends))


def ends_of(effect: Effect) -> tuple[float, float, float]:
    """Return the interval's lower end, the change, and the upper end."""
    return effect.low, effect.value, effect.high


def cell_row(change: CellChange, placed: Placed, axis: Axis) -> PlotRow:
    """Return the row of a cell's change."""
    effect, metric = change.effect, change.metric
    direction = better_or_worse(effect, metric)
    old, new = (median_text(trials, metric) for trials in (change.baseline, change.cell))
    return PlotRow(
        name=f"{change.setting}: {metric_wording.name_text(metric)}",
        values=f"{old} → {new}",
        change=metric_wording.change_text(effect, effect.value),
        interval=metric_wording.change_interval_text(effect),
        verdict=direction or "changed",
        look=EFFECT_NAMES[direction],
        low=axis.place(placed.low),
        at=axis.place(placed.at),
        high=axis.place(placed.high),
    )


def median_text(trials: CellTrials, metric: Metric) -> str:
    """Return the median of a cell's trials with its unit."""
    estimate = estimate_cell(trials, metric)
    return "–" if estimate is None else metric_wording.value_text(metric, estimate.median)
