# SPDX-License-Identifier: MIT
"""The cost of connect() as the port range fills up, one line per act."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.style
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MultipleLocator

from stress.analysis.attribution.findings import Findings
from stress.analysis.attribution.port_cost import PortCost, measure_port_cost
from stress.model.units import duration_text, range_text
from stress.view.figure import style
from stress.view.figure.axes import apply_latency_axis, spread_labels
from stress.view.figure.caption import caption, caption_rise
from stress.view.figure.sheet import new_sheet

# Of Okabe and Ito, as in style.LOOKS, but only those that are dark enough for text.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#7a4a94")
# The lines of two acts of equal cost coincide: the later one is thinner, so that both are visible.
WIDTHS_PT = (2.0, 3.0, 1.3, 1.0)
HEADROOM = 1.25  # of the latency axis, above all data
FONT_PT = 9.5
LABEL_X = 25  # of the medians below half of the range, in % of it
HALF = 50.0  # of the range, in %
ALIKE = 1.0  # steps at most this far apart, in % of the range, are one


def measure_costs(findings: Findings) -> dict[str, PortCost]:
    """Return the cost of connections by act; acts without one are left out."""
    by_act = {act.storm.act.name: measure_port_cost(act.storm) for act in findings.acts}
    return {name: cost for name, cost in by_act.items() if len(cost.occupancy)}


def running_median(cost: PortCost) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return mean occupancy (%) and median latency (ns) of each hundredth of the range that has connections."""
    hundredth = np.floor(cost.occupancy * 100)
    parts = [hundredth == step for step in np.unique(hundredth)]
    return (
        np.array([cost.occupancy[part].mean() * 100 for part in parts]),
        np.array([np.median(cost.latency_ns[part]) for part in parts]),
    )


def cost_ratio(cost: PortCost) -> float | None:
    """Return the ratio of the median latency above half of the range to that below; None without both."""
    return cost.above_ns / cost.below_ns if cost.above_ns and cost.below_ns else None


def cost_ratio_text(ratio: float) -> str:
    """Return a ratio with two significant digits: medians of other runs differ in the third."""
    return f"{float(f'{ratio:.2g}'):,.0f}" if ratio >= 10 else f"{ratio:.2g}"


def headline(costs_by_act: Mapping[str, PortCost]) -> str:
    """Return how the cost of connect() changes as the range fills up."""
    stepping = [cost for cost in costs_by_act.values() if cost.knee is not None]
    if not costs_by_act:
        return "No connection was measured"
    if not stepping:
        most = max(float(cost.occupancy.max()) for cost in costs_by_act.values())
        return f"No clear step in what connect() costs, up to {most * 100:.0f} % of the port range"
    ratios = sorted(ratio for cost in stepping if (ratio := cost_ratio(cost)))
    span = " to ".join(dict.fromkeys((cost_ratio_text(ratios[0]), cost_ratio_text(ratios[-1]))))
    knees = [cost.knee * 100 for cost in stepping if cost.knee is not None]
    at = "half" if all(abs(knee - HALF) <= ALIKE for knee in knees) else knees_text(knees)
    return f"connect() costs {span} times as much once {at} of the port range is taken"


def knees_text(knees: Sequence[float]) -> str:
    """Return the place of steps that lie close together, else those of the first and the last (all in %)."""
    low, high = min(knees), max(knees)
    return f"{np.median(knees):.1f} %" if high - low <= ALIKE else f"{low:.1f} to {high:.1f} %"


def detail(findings: Findings, costs_by_act: Mapping[str, PortCost]) -> str:
    """Return the medians, and the number of SYNs sent again, which would delay connect() too."""
    phrases = []
    for where, medians in (
        ("below half of the range", [cost.below_ns for cost in costs_by_act.values() if cost.below_ns]),
        ("above", [cost.above_ns for cost in costs_by_act.values() if cost.above_ns]),
    ):
        if medians:
            low, high = duration_text(min(medians)), duration_text(max(medians))
            phrases.append(f"{low if low == high else range_text(min(medians), max(medians))} {where}")
    if not phrases:
        return ""
    return f"median {', '.join(phrases)}; {findings.summary.retransmits or 'no'} SYN sent again"


def draw_cost(axes: Axes, costs_by_act: Mapping[str, PortCost], parities: tuple[str, str]) -> None:
    """Draw each act's connections and their running median, with its medians next to the line.

    Args:
        axes: empty, at their final place in the figure.
        costs_by_act: costs of connections by act.
        parities: ``'even'`` and ``'odd'``, first that of the range's lowest port.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    row = 1.35 * FONT_PT * figure.dpi / 72 / float(axes.bbox.height)  # of a line of text, as a share of the axes
    latencies_ns = np.concatenate([np.array([10_000, 100_000]), *(cost.latency_ns for cost in costs_by_act.values())])
    latencies_ns = latencies_ns[latencies_ns > 0]
    least_ns, high_ns = float(latencies_ns.min()), float(latencies_ns.max()) * HEADROOM
    room = min((len(costs_by_act) + 0.8) * row, 0.5)
    low_ns = least_ns / (high_ns / least_ns) ** (room / (1 - room))
    apply_latency_axis(axes, low_ns, high_ns)
    axes.set_xlim(0, 100)
    axes.xaxis.set_major_locator(MultipleLocator(10))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))
    looks = list(zip(costs_by_act.items(), cycle(COLOURS), cycle(WIDTHS_PT), strict=False))
    for (name, cost), colour, _ in looks:
        for taken_first in (True, False):
            part = cost.even == taken_first
            mark = _marker(taken_first=taken_first, colour=colour)
            mark.set_data(cost.occupancy[part] * 100, np.maximum(cost.latency_ns[part], low_ns))
            mark.set_label(name)
            axes.add_line(mark)
    for (name, cost), colour, width_pt in looks:
        axes.plot(*running_median(cost), color=colour, linewidth=width_pt, label=f"{name}, median", zorder=4)
    _draw_step(axes, costs_by_act)
    _label_below(axes, costs_by_act, row, room)
    _label_above(axes, costs_by_act, row)
    if costs_by_act and (turned := step_reason(costs_by_act, parities)):
        axes.text(
            75, 0.27, turned, transform=axes.get_xaxis_transform(), fontsize=FONT_PT - 0.5, color=style.QUIET,
            horizontalalignment="center", verticalalignment="center", linespacing=1.5,
        )  # fmt: skip


def step_reason(costs_by_act: Mapping[str, PortCost], parities: tuple[str, str]) -> str:
    """Return why there is a step, if all connections below half of the range and none above have the first parity."""
    for cost in costs_by_act.values():
        expensive = cost.occupancy >= 0.5
        stepped = cost.knee is not None and abs(cost.knee * 100 - HALF) <= ALIKE
        if not stepped or not cost.even[~expensive].all() or cost.even[expensive].any():
            return ""
    first, second = parities
    return f"all {first} ports are taken here: connect() looks at\neach of them before it tries an {second} one"


def _marker(*, taken_first: bool, colour: str) -> Line2D:
    # While the first half fills up there are thousands of connections, above it only a few probes per hundredth.
    size, alpha = (1.7, 0.16) if taken_first else (3.2, 0.5)
    return Line2D(
        [], [], linestyle="none", marker="o", markersize=size, alpha=alpha, zorder=3, clip_on=False,
        markerfacecolor=colour if taken_first else "none", markeredgecolor=colour,
        markeredgewidth=0 if taken_first else 0.6,
    )  # fmt: skip


def _draw_step(axes: Axes, costs_by_act: Mapping[str, PortCost]) -> None:
    knees = [cost.knee * 100 for cost in costs_by_act.values() if cost.knee is not None]
    if not knees:
        return
    for knee in [float(np.median(knees))] if max(knees) - min(knees) <= ALIKE else knees:
        axes.axvline(knee, color=style.INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=2, label="step")
    axes.annotate(
        f"the step: {knees_text(knees)}", xy=(float(np.median(knees)), 1), xycoords=axes.get_xaxis_transform(),
        xytext=(0, 4), textcoords="offset points", horizontalalignment="center", fontsize=FONT_PT, fontweight="bold",
    )  # fmt: skip


def _label_below(axes: Axes, costs_by_act: Mapping[str, PortCost], row: float, room: float) -> None:
    """Write the medians below half of the range under the lines, which are too close for a label each."""
    place = room - 0.75 * row
    by_cost = sorted(
        zip(costs_by_act.items(), cycle(COLOURS), strict=False), key=lambda pair: -(pair[0][1].below_ns or 0)
    )
    for (name, cost), colour in by_cost:
        if cost.below_ns is None:
            continue
        median = duration_text(cost.below_ns)
        for text, x, side, weight in ((name, -0.7, "right", "normal"), (median, 0.7, "left", "bold")):
            axes.text(
                LABEL_X + x, place, text, transform=axes.get_xaxis_transform(), color=colour, fontsize=FONT_PT,
                fontweight=weight, horizontalalignment=side, verticalalignment="center",
            )  # fmt: skip
        place -= row


def _label_above(axes: Axes, costs_by_act: Mapping[str, PortCost], row: float) -> None:
    """Write the medians above half of the range in the margin, each next to the end of its line."""
    low_ns, high_ns = axes.get_ylim()
    ends = []
    for (name, cost), colour in zip(costs_by_act.items(), cycle(COLOURS), strict=False):
        if cost.above_ns is not None:
            occupancy, median_ns = running_median(cost)
            target = float(np.log(median_ns[-1] / low_ns) / np.log(high_ns / low_ns))
            ratio = cost_ratio(cost)
            note = duration_text(cost.above_ns) + (f"  ×\N{THIN SPACE}{cost_ratio_text(ratio)}" if ratio else "")
            ends.append((target, f"{name}\n", note, colour, (occupancy[-1], median_ns[-1])))
    ends.sort(key=lambda end: (end[0], end[1]))
    places = spread_labels([target for target, *_ in ends], 2.5 * row, 1.0)
    for (_, name, note, colour, end), place in zip(ends, places, strict=True):
        axes.annotate(
            name, xy=end, xytext=(1.025, place), textcoords="axes fraction", annotation_clip=False,
            color=colour, fontsize=FONT_PT, verticalalignment="center",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.7, "relpos": (0, 0.5), "shrinkB": 2},
        )  # fmt: skip
        axes.annotate(
            f"\n{note}", xy=(1.025, place), xycoords="axes fraction", annotation_clip=False,
            color=colour, fontsize=FONT_PT, fontweight="bold", verticalalignment="center",
        )  # fmt: skip


def legend_entries(parities: tuple[str, str]) -> list[Line2D]:
    """Return sample marks for the ports of either parity, and for the median, for ``Figure.legend``."""
    samples = []
    for parity, taken_first in zip(parities, (True, False), strict=True):
        sample = _marker(taken_first=taken_first, colour=style.INK)
        sample.set(label=f"{parity} port", alpha=1, markersize=5, markeredgewidth=0 if taken_first else 1)
        samples.append(sample)
    return [*samples, Line2D([], [], color=style.INK, linewidth=2, label="median of each hundredth of the range")]


def port_cost_figure(findings: Findings) -> Figure:
    """Return the cost of connect() in a run of port-cost by the occupied share of the range, 1600 x 900 pixels."""
    costs_by_act = measure_costs(findings)
    parities = ("odd", "even") if findings.run.record.acts[0].port_range[0] % 2 else ("even", "odd")
    with matplotlib.style.context(["default", style.RC]):
        figure, _ = new_sheet(
            headline(costs_by_act), detail(findings, costs_by_act), legend_entries(parities), caption(findings)
        )
        foot = 0.185 + caption_rise(figure)
        axes = figure.add_axes((0.09, foot, 0.745, 0.745 - foot))
        draw_cost(axes, costs_by_act, parities)
        axes.set_xlabel("share of the port range that is taken")
        axes.set_ylabel("latency of connect(), log scale")
        axes.yaxis.set_label_coords(-0.09, 0.5)
        return figure
