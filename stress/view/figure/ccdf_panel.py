# SPDX-License-Identifier: MIT
"""The axes of a complementary CDF: curves over latency, with the ladder behind them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from stress.analysis.attribution.ladder import Ladder
from stress.model.units import duration_text
from stress.view.figure import style
from stress.view.figure.axes import spread_labels
from stress.view.figure.curve import Curve

HEADROOM = 1.5  # of the latency axis, beyond all data
WAY_MAX_PT = 55  # longest distance from a name to its rung
NAME_PT = 8.5
MARGIN_PT = 36  # to the right of the axes, into which names may reach
QUANTILES = ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99"))


def share_text(share: float) -> str:
    """Return a power of ten as a fraction: ``'1 in 1,000'``."""
    return "all" if share >= 1 else f"1 in {round(1 / share):,}"


def draw_ccdf(axes: Axes, drawn: Sequence[Curve], ladder: Ladder) -> None:
    """Draw curves, and the ladder behind them, into axes at their final place in the figure."""
    ends_ns = [(max(int(curve.latencies.latency_ns[0]), 1), int(curve.latencies.latency_ns[-1])) for curve in drawn]
    high_ns = HEADROOM * max([ladder.fast.to_ns if ladder.fast else 0, *(end_ns for _, end_ns in ends_ns), 10_000])
    low_ns = min(min([start_ns for start_ns, _ in ends_ns], default=1000) / HEADROOM, high_ns / 30)
    floor = 0.5 / max([curve.whole for curve in drawn], default=10)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low_ns, high_ns)
    axes.set_ylim(min(floor, 0.05), 1.25)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=30))
        axis.set_minor_locator(LogLocator(subs=range(2, 10), numticks=30))
        axis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: duration_text(value)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: share_text(value)))
    axes.tick_params(which="minor", length=2, width=0.5)
    axes.grid(visible=True)
    for quantile, name in QUANTILES:
        if 1 - quantile > axes.get_ylim()[0]:
            axes.text(
                1.008, 1 - quantile, name, transform=axes.get_yaxis_transform(),
                fontsize=8.5, color=style.QUIET, verticalalignment="center",
            )  # fmt: skip
    for curve in drawn:
        at_ns, longer = curve.steps(low_ns)
        line = Line2D(
            at_ns,
            longer, drawstyle="steps-post", color=curve.colour, linestyle=curve.dashes,
            linewidth=curve.width_pt, label=curve.label, solid_joinstyle="miter",
        )  # fmt: skip
        if curve.marker != "None":
            line.set(marker=curve.marker, markersize=6, markeredgecolor="white", markeredgewidth=0.4)
            line.set_markevery([0, max(0, at_ns.size - 2)])  # where the cause begins, and at its last attempt but one
        axes.add_line(line)
    _draw_ladder(axes, ladder)


def _draw_ladder(axes: Axes, ladder: Ladder) -> None:
    """Draw the rungs within the axes as bands and name them on top."""
    low_ns, high_ns = axes.get_xlim()
    rungs = [rung for rung in ((ladder.fast,) if ladder.fast else ()) + ladder.rungs if low_ns < rung.from_ns < high_ns]
    for rung in rungs:
        axes.axvspan(rung.from_ns, rung.to_ns, facecolor=style.LADDER_TINT, alpha=0.14, linewidth=0, zorder=0.6)
        axes.axvline(rung.from_ns, color=style.RUNG, linewidth=0.7, zorder=0.7)
    ends = [("ETIMEDOUT", ladder.give_up_ns), ("challenged", ladder.challenged_give_up_ns or 0)]
    ends = [(what, at_ns) for what, at_ns in ends if low_ns < at_ns < high_ns]
    for _, give_up_ns in ends:
        axes.axvline(give_up_ns, color=style.GIVE_UP, linewidth=0.9, linestyle=(0, (5, 3)), zorder=0.7)
    names = [_LatencyName(rung.label, rung.from_ns, style.QUIET) for rung in rungs]
    names += [_LatencyName(f"{what}\n{at_ns / 1e9:.0f} s", at_ns, style.GIVE_UP) for what, at_ns in ends]
    _write_names(axes, sorted(names, key=lambda name: name.at_ns))


@dataclass(frozen=True)
class _LatencyName:
    text: str
    at_ns: int
    colour: str


def _name_places(axes: Axes, names: Sequence[_LatencyName]) -> tuple[npt.NDArray[np.float64], float]:
    """Return places for names (ascending) as shares of the width of axes, and the longest distance to a rung (pt)."""
    low_ns, high_ns = axes.get_xlim()
    width_pt = axes.bbox.width * 72 / style.DPI
    targets = np.array([math.log(name.at_ns / low_ns) / math.log(high_ns / low_ns) for name in names])
    widths = np.array([0.62 * NAME_PT * (max(map(len, name.text.split("\n"))) + 1.2) / width_pt for name in names])
    # After subtracting what stands to its left, a name is a label without width.
    before = np.cumsum(widths) - widths / 2
    places = spread_labels((targets - before).tolist(), 0, 1 + MARGIN_PT / width_pt - widths.sum()) + before
    return places, float(np.abs(places - targets).max(initial=0) * width_pt)


def _write_names(axes: Axes, names: list[_LatencyName]) -> None:
    """Write names of latencies (ascending) above axes; where there is no room, names close to others are left out."""
    places, way_pt = _name_places(axes, names)
    while way_pt > WAY_MAX_PT and len(names) > 2:
        closest = min(range(1, len(names) - 1), key=lambda number: names[number].at_ns / names[number - 1].at_ns)
        names = names[:closest] + names[closest + 1 :]
        places, way_pt = _name_places(axes, names)
    height_pt = axes.bbox.height * 72 / style.DPI
    for name, place in zip(names, places, strict=True):
        axes.annotate(
            name.text,
            xy=(name.at_ns, 1),
            xycoords=axes.get_xaxis_transform(),
            xytext=(place, 1 + 10 / height_pt),
            textcoords="axes fraction",
            horizontalalignment="center",
            fontsize=NAME_PT,
            color=name.colour,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": style.QUIET,
                "linewidth": 0.6,
                "relpos": (0.5, 0),
                "shrinkA": 1,
                "shrinkB": 0,
            },
        )
