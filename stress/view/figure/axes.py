# SPDX-License-Identifier: MIT
"""What surrounds the data: the latency axis, the SYN ladder next to it, the phases above it, the colour scale."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from stress.analysis.attribution.ladder import Ladder
from stress.model.record import Phase
from stress.model.units import duration_text
from stress.view.figure.style import FAINT, GIVE_UP, INK, LADDER_TINT, QUIET, RUNG


def apply_latency_axis(axes: Axes, low_ns: float, high_ns: float) -> None:
    """Make y a logarithmic latency axis from ``low_ns`` to ``high_ns``, with units at the decades."""
    axes.set_yscale("log")
    axes.set_ylim(low_ns, high_ns)
    axes.yaxis.set_major_locator(LogLocator(numticks=30))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: duration_text(value)))
    axes.yaxis.set_minor_locator(LogLocator(subs=range(2, 10), numticks=30))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="y", which="minor", length=2, width=0.5)
    axes.grid(visible=True, axis="y")


def spread_labels(targets: Sequence[float], height: float, top: float) -> list[float]:
    """Return the places closest to ``targets`` (ascending) at which labels of this height do not overlap.

    The places ascend too, and none is above ``top``. Labels that would overlap form one block around their mean.
    """
    blocks: list[tuple[float, int]] = []  # the lowest place of a block, and the number of its labels
    for target in targets:
        low, size = target, 1
        while blocks and blocks[-1][0] + blocks[-1][1] * height > low:
            below, below_size = blocks.pop()
            low = (below * below_size + (low - below_size * height) * size) / (below_size + size)
            size += below_size
        blocks.append((low, size))
    places = [low + number * height for low, size in blocks for number in range(size)]
    ceilings = (top - number * height for number in reversed(range(len(places))))
    return [min(place, ceiling) for place, ceiling in zip(places, ceilings, strict=True)]


@dataclass(frozen=True)
class _Label:
    text: str
    latency_ns: float
    attempts: int


def _labels(ladder: Ladder, attempts: Mapping[str, int]) -> list[_Label]:
    labels = []
    if ladder.fast:
        middle_ns = math.sqrt(ladder.fast.from_ns * ladder.fast.to_ns)
        labels.append(_Label(ladder.fast.label, middle_ns, attempts.get(ladder.fast.label, 0)))
    for rung in ladder.rungs:
        text = f"{rung.label} · {rung.retransmits}" + (" retransmit" if rung.retransmits == 1 else "")
        labels.append(_Label(text, rung.from_ns, attempts.get(rung.label, 0)))
    labels.append(_Label(f"ETIMEDOUT {ladder.give_up_ns / 1e9:g} s", ladder.give_up_ns, 0))
    if ladder.challenged_give_up_ns:
        text = f"{ladder.challenged_give_up_ns / 1e9:.0f} s if challenged"
        labels.append(_Label(text, ladder.challenged_give_up_ns, 0))
    return sorted(labels, key=lambda label: label.latency_ns)


def _thin_out(labels: list[_Label], targets: list[float], height: float) -> list[float]:
    """Remove labels, those with the fewest attempts first, until each is close to its rung; return the places."""
    while True:
        places = spread_labels(targets, height, 1 + height)
        if all(abs(target - place) < 2.6 * height for target, place in zip(targets, places, strict=True)):
            return places
        least = min(range(len(labels)), key=lambda index: labels[index].attempts)
        del labels[least], targets[least]


def draw_ladder(axes: Axes, ladder: Ladder, attempts: Mapping[str, int], high_ns: float, font_size: float) -> None:
    """Draw the rungs below ``high_ns`` and name them in the margin to the right.

    Args:
        axes: with a latency axis, at their final place in the figure.
        ladder: of the kernel that was measured.
        attempts: the number of attempts that ended in each rung, by label; where there is no room for all names,
            those of rungs with few attempts are left out first.
        high_ns: rungs above it are not drawn.
        font_size: of the names, in points.
    """
    for rung in ladder.rungs:
        if rung.from_ns < high_ns:
            axes.axhline(rung.from_ns, color=RUNG, linewidth=0.7, zorder=0.7)
    if ladder.fast and attempts.get(ladder.fast.label):
        axes.axhspan(ladder.fast.from_ns, ladder.fast.to_ns, facecolor=LADDER_TINT, alpha=0.28, linewidth=0, zorder=0.6)
    elif ladder.fast:  # where nobody is, its ends suffice
        for end_ns in (ladder.fast.from_ns, ladder.fast.to_ns):
            axes.axhline(end_ns, color=RUNG, linewidth=0.5, linestyle=(0, (1, 3)), zorder=0.6)
    for give_up_ns in (ladder.give_up_ns, ladder.challenged_give_up_ns):
        if give_up_ns and give_up_ns < high_ns:
            axes.axhline(give_up_ns, color=GIVE_UP, linewidth=0.9, linestyle=(0, (5, 3)), zorder=0.7)

    low_ns, top_ns = axes.get_ylim()
    labels = [label for label in _labels(ladder, attempts) if low_ns < label.latency_ns < high_ns]
    targets = [math.log(label.latency_ns / low_ns) / math.log(top_ns / low_ns) for label in labels]
    places = _thin_out(labels, targets, 1.3 * font_size / _height_pt(axes))
    for label, place in zip(labels, places, strict=True):
        axes.annotate(
            label.text,
            xy=(1, label.latency_ns),
            xycoords=axes.get_yaxis_transform(),
            xytext=(1.024, place),
            textcoords="axes fraction",
            verticalalignment="center",
            fontsize=font_size,
            color=INK if label.attempts else QUIET,
            fontweight="bold" if label.attempts else "normal",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": QUIET,
                "linewidth": 0.6,
                "relpos": (0, 0.5),
                "shrinkA": 1,
                "shrinkB": 0,
            },
        )


def draw_phases(axes: Axes, phases: Sequence[Phase], font_size: float) -> None:
    """Draw the phases within the x range of ``axes`` (s since the epoch) as a strip on top of it.

    A single phase needs no strip, and a name that does not fit its phase is left out.
    """
    left_s, right_s = axes.get_xlim()
    spans = [(phase.name, max(phase.start_ns / 1e9, left_s), min(phase.end_ns / 1e9, right_s)) for phase in phases]
    visible_s = 0.005 * (right_s - left_s)
    shown = [(name, start_s, end_s) for name, start_s, end_s in spans if end_s - start_s > visible_s]
    if len(shown) < 2:
        return
    strip = 1.7 * font_size / _height_pt(axes)
    for number, (name, start_s, end_s) in enumerate(shown):
        axes.add_patch(
            Rectangle(
                (start_s, 1.012),
                end_s - start_s,
                strip,
                transform=axes.get_xaxis_transform(),
                clip_on=False,
                facecolor=("#e3e8ee", "#eff2f5")[number % 2],
                linewidth=0,
            )
        )
        if start_s > left_s:
            axes.axvline(start_s, color=FAINT, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0.5)
        room_pt = (end_s - start_s) / (right_s - left_s) * axes.bbox.width / axes.bbox.height * _height_pt(axes)
        if room_pt > 0.65 * font_size * (len(name) + 1):
            axes.text(
                (start_s + end_s) / 2,
                1.012 + strip / 2,
                name,
                transform=axes.get_xaxis_transform(),
                horizontalalignment="center",
                verticalalignment="center_baseline",
                fontsize=font_size,
                color=QUIET,
            )


def _height_pt(axes: Axes) -> float:
    figure = axes.get_figure(root=True)
    assert figure is not None
    return float(axes.bbox.height) * 72 / figure.dpi


def draw_colour_scale(axes: Axes, density: ScalarMappable) -> None:
    """Draw the colour scale of a density into axes of its own."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    scale = figure.colorbar(density, cax=axes)
    scale.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    scale.minorticks_off()
    scale.outline.set_visible(False)
    scale.ax.tick_params(labelsize=7.5, length=2, width=0.5)
    scale.ax.set_title("attempts\nin a cell", fontsize=7.5, color=QUIET, loc="left", pad=7)
