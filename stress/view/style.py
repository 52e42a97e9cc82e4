# SPDX-License-Identifier: MIT
"""What the figures share: palette, type, the latency axis, the SYN ladder beside it, the phases above it."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from stress.analysis.ladder import Ladder
from stress.model.outcome import Outcome
from stress.model.run import Phase
from stress.model.units import duration_text

DPI = 160

INK, QUIET, FAINT = "#1b2430", "#5d6875", "#c9d0d8"
LADDER_TINT = "#F0E442"  # the yellow of Okabe and Ito: too pale for marks, right for a translucent band
RUNG = "#cdbf2e"
GIVE_UP = "#D55E00"

# A single attempt must be seen on white, so the ramp does not begin anywhere near white.
BODY = LinearSegmentedColormap.from_list("body", ["#a3b6cc", "#5f7fa6", "#2c4a73", "#0b1d3a"])

RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so pictures are alike everywhere
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#e9ecf0",
    "grid.linewidth": 0.7,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "legend.frameon": False,
    "legend.borderpad": 0,
    "legend.handletextpad": 0.2,
    "legend.columnspacing": 1.6,
    "svg.hashsalt": "connstorm",
}


@dataclass(frozen=True)
class Look:
    """How an outcome is drawn and called. Filled marks met a mine, hollow ones did not."""

    colour: str
    marker: str
    label: str


# Colours of Okabe and Ito (jfly.uni-koeln.de/color), safe for the colour-blind; shapes say the same again.
LOOKS: dict[Outcome, Look] = {
    Outcome.CONNECTED: Look("#2c4a73", "s", "connected at once"),
    Outcome.RETRIED: Look("#E69F00", "o", "retried"),
    Outcome.TIMED_OUT: Look("#D55E00", "X", "timed out"),
    Outcome.REFUSED: Look("#0072B2", "s", "refused"),
    Outcome.RESET: Look("#56B4E9", "D", "reset"),
    Outcome.NO_PORT: Look("#CC79A7", "v", "no port"),
    Outcome.IN_USE: Look("#009E73", "^", "port in use"),
    Outcome.UNFINISHED: Look("#000000", ">", "unfinished"),
    Outcome.OTHER: Look("#6b6b6b", "P", "other error"),
}


def mark(outcome: Outcome, *, filled: bool, size: float, alpha: float) -> Line2D:
    """Return a mark of an outcome, still without data; ``size`` in points."""
    look = LOOKS[outcome]
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=look.marker,
        markersize=size,
        markerfacecolor=look.colour if filled else "none",
        markeredgecolor="white" if filled else look.colour,
        markeredgewidth=size * (0.05 if filled else 0.18),
        alpha=alpha,
        zorder=3,
    )


def latency_axis(axes: Axes, low_ns: float, high_ns: float) -> None:
    """Make y a log axis of latencies from ``low_ns`` to ``high_ns``, with units on the decades."""
    axes.set_yscale("log")
    axes.set_ylim(low_ns, high_ns)
    axes.yaxis.set_major_locator(LogLocator(numticks=30))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: duration_text(value)))
    axes.yaxis.set_minor_locator(LogLocator(subs=range(2, 10), numticks=30))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="y", which="minor", length=2, width=0.5)
    axes.grid(visible=True, axis="y")


def spread(targets: Sequence[float], height: float, top: float) -> list[float]:
    """Return places for labels that want to be at ``targets`` but are ``height`` tall each.

    Targets ascend, and so do the places. A label gives way downwards only, and none is above ``top``.
    """
    places: list[float] = []
    ceiling = top
    for target in reversed(targets):
        places.append(min(target, ceiling))
        ceiling = places[-1] - height
    return places[::-1]


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
    return labels


def _thin_out(labels: list[_Label], targets: list[float], height: float) -> list[float]:
    """Remove labels, those with the fewest attempts first, until each finds a place close to its rung."""
    while True:
        places = spread(targets, height, 1 - height / 2)
        if all(target - place < 3.5 * height for target, place in zip(targets, places, strict=True)):
            return places
        least = min(range(len(labels)), key=lambda index: labels[index].attempts)
        del labels[least], targets[least]


def draw_ladder(axes: Axes, ladder: Ladder, attempts: Mapping[str, int], high_ns: float, font_size: float) -> None:
    """Draw the rungs below ``high_ns`` and name them in the margin to the right.

    Args:
        axes: with a latency axis, at its final place in the figure.
        ladder: of the kernel that was measured.
        attempts: how many attempts ended in each rung, by label; these rungs keep their names longest where
            there is no room for all.
        high_ns: rungs above it are of no interest.
        font_size: of the names, in points.
    """
    for rung in ladder.rungs:
        if rung.from_ns < high_ns:
            axes.axhline(rung.from_ns, color=RUNG, linewidth=0.7, zorder=0.7)
    if ladder.fast:
        axes.axhspan(ladder.fast.from_ns, ladder.fast.to_ns, facecolor=LADDER_TINT, alpha=0.28, linewidth=0, zorder=0.6)
    if ladder.give_up_ns < high_ns:
        axes.axhline(ladder.give_up_ns, color=GIVE_UP, linewidth=0.9, linestyle=(0, (5, 3)), zorder=0.7)

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
            verticalalignment="center_baseline",
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

    A name that does not fit its phase is left out.
    """
    left_s, right_s = axes.get_xlim()
    strip = 1.7 * font_size / _height_pt(axes)
    for number, phase in enumerate(phases):
        start_s, end_s = max(phase.start_ns / 1e9, left_s), min(phase.end_ns / 1e9, right_s)
        if start_s >= end_s:
            continue
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
        if room_pt > 0.65 * font_size * (len(phase.name) + 1):
            axes.text(
                (start_s + end_s) / 2,
                1.012 + strip / 2,
                phase.name,
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


def draw_scale(axes: Axes, body: QuadMesh) -> None:
    """Draw the colour scale of a density in the margin, beside the foot of ``axes``."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    scale = figure.colorbar(body, cax=axes.inset_axes((1.024, 0.01, 0.012, 0.24)))
    scale.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    scale.minorticks_off()
    scale.outline.set_visible(False)
    scale.ax.tick_params(labelsize=7.5, length=2, width=0.5)
    scale.ax.set_title("attempts\nin a cell", fontsize=7.5, color=QUIET, loc="left", pad=4)


def draw_caption(figure: Figure, phrases: Sequence[str], font_size: float) -> None:
    """Write phrases at the foot of the figure, broken into lines between phrases only."""
    letters = round(figure.get_figwidth() * 72 * 0.96 / (0.57 * font_size))
    unbroken = " ".join(f"{phrase} ·".replace(" ", "\N{NO-BREAK SPACE}") for phrase in phrases)
    lines = textwrap.wrap(unbroken, letters, break_long_words=False, break_on_hyphens=False)
    text = "\n".join(line.rstrip("\N{NO-BREAK SPACE}·") for line in lines)
    figure.text(0.02, 0.024, text, fontsize=font_size, color=QUIET, linespacing=1.5)
