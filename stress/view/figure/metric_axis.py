# SPDX-License-Identifier: MIT
"""The axis of a metric: logarithmic for times and rates, from zero for counts and shares."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from stress.analysis.metric import Metric
from stress.analysis.statistics.trials import TIMED_UNITS
from stress.view.text.metric_wording import value_text

TICKS_MAX = 5
NARROWEST = 1.6  # least ratio of the ends of a logarithmic axis: noise of a per cent must not fill a panel
ROOM = 0.09  # share of an axis's length beyond the data at either end
DECADES_MAX = 6  # of an axis that includes zero


@dataclass(frozen=True)
class Scale:
    """An axis that several panels share.

    Attributes:
        metric: the one that it shows.
        low: its lower end, in the metric's unit.
        high: its upper end.
        linear_to: below it the axis is linear, above it logarithmic; None if the whole axis is logarithmic.
        ticks: ascending.
    """

    metric: Metric
    low: float
    high: float
    linear_to: float | None
    ticks: Sequence[float]

    def apply(self, axes: Axes) -> None:
        """Apply this scale and its tick labels to the y axis."""
        if self.linear_to is None:
            axes.set_yscale("log")
        else:
            axes.set_yscale("symlog", linthresh=self.linear_to)
        axes.set_ylim(self.low, self.high)
        axes.yaxis.set_major_locator(FixedLocator(self.ticks))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: value_text(self.metric, value)))

    def clip(self, value: float) -> float:
        """Return a value that the axis can show: on a logarithmic axis, values of zero or less lie at its foot."""
        return value if self.linear_to is not None else max(value, self.low)


def scale_of(metric: Metric, values: Iterable[float]) -> Scale:
    """Return an axis on which all values lie, with room at both ends."""
    known = list(values)
    return _ratios(metric, known) if metric.unit in TIMED_UNITS else _counts(metric, known)


def _ratios(metric: Metric, values: Sequence[float]) -> Scale:
    above = [value for value in values if value > 0] or [1.0]
    least, most = min(above), max(above)
    span = max(most / least, NARROWEST)
    middle = math.sqrt(least * most)
    reach = span ** (0.5 + ROOM)
    low, high = middle / reach, middle * reach
    return Scale(metric, low, high, None, _log_ticks(low, high))


def _log_ticks(low: float, high: float) -> list[float]:
    """Return a few round values on a logarithmic axis: by decade, or 1, 2 and 5 of each, or evenly spaced."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5)):
        ticks = [factor * 10.0**decade for decade in decades for factor in factors]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) >= 3:
            return thin_ticks(inside)
    even = [float(tick) for tick in MaxNLocator(TICKS_MAX - 1).tick_values(low, high)]
    return [tick for tick in even if low <= tick <= high]


def _counts(metric: Metric, values: Sequence[float]) -> Scale:
    above = [value for value in values if value > 0] or [1.0]
    most = max(above)
    least = max(min(above), most / 10**DECADES_MAX)
    linear_to = 10.0 ** math.floor(math.log10(least))
    # The linear part has the height of one decade; below zero there is only room for the marks at zero.
    height = 1 + math.log10(max(most, linear_to) / linear_to)
    high = linear_to * 10 ** (height * (1 + ROOM) - 1)
    low = -linear_to * (ROOM * height + 0.05)
    ticks = [0.0, *(linear_to * 10.0**step for step in range(DECADES_MAX + 1) if linear_to * 10.0**step <= high)]
    if len(ticks) < 3:
        ticks = [0.0, *(factor * linear_to for factor in (1, 2, 5) if factor * linear_to <= high)]
    return Scale(metric, low, high, linear_to, thin_ticks(ticks))


def thin_ticks(ticks: Sequence[float]) -> list[float]:
    """Return every tick, or every second, third, …, starting with the first, so that there are at most TICKS_MAX."""
    return list(ticks[:: math.ceil(len(ticks) / TICKS_MAX)])
