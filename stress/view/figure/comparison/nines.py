# SPDX-License-Identifier: MIT
"""The nines plot: the latency that all but one in ten, a hundred, a thousand … attempts did not exceed, by arm."""

import math
from collections.abc import Sequence

import matplotlib.style
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from stress.analysis.comparison.arm import Arm, Latencies
from stress.analysis.comparison.shift import has_enough_attempts, quantiles_ns
from stress.model.units import duration_text
from stress.view.figure import style
from stress.view.figure.axes import apply_latency_axis
from stress.view.figure.caption import caption_rise
from stress.view.figure.comparison.arm_ladders import arm_rungs, draw_arm_rungs
from stress.view.figure.comparison.arm_style import caption_of, title_of
from stress.view.figure.series_style import series_colour, series_dashes
from stress.view.figure.sheet import new_sheet

GRID = 1200  # places along the axis
HEADROOM = 1.5
LEFT, FOOT, RIGHT_EDGE = 0.09, 0.185, 0.86
THIN_PT, THICK_PT = 0.7, 2.0
TICK_PT = 9.0
WHOLE = 0.5  # attempts beyond the point where a trial's slowest one is drawn

Nines = npt.NDArray[np.float64]


def nines_of(probability: float) -> float:
    """Return how many nines a probability has: 3 of 0.999."""
    return -math.log10(1 - probability)


def nines_within(attempts: int) -> float:
    """Return the nines at which the slowest of so many attempts is drawn."""
    return math.log10(attempts / WHOLE)


def trial_line(latency_ns: Latencies, nines: Nines) -> tuple[Nines, npt.NDArray[np.float64]]:
    """Return the places that a trial has attempts for, and its quantiles (ns) there."""
    within = nines[nines <= nines_within(latency_ns.size)]
    return within, quantiles_ns(latency_ns, 1 - 10.0**-within)


def median_line(trials: Sequence[Latencies], nines: Nines) -> tuple[Nines, npt.NDArray[np.float64]]:
    """Return the places beyond which every trial has enough attempts, and the median of their quantiles (ns) there.

    Of an even number of trials the lower median: a mean of two rungs of the ladder is a latency that no attempt had.
    """
    least = min((trial.size for trial in trials), default=0)
    within = nines[[has_enough_attempts(least, float(1 - 10.0**-place)) for place in nines]]
    values = np.array([quantiles_ns(trial, 1 - 10.0**-within) for trial in trials]).reshape(len(trials), within.size)
    return within, np.sort(values, axis=0)[(len(trials) - 1) // 2]


def draw_nines(axes: Axes, arms: Sequence[Arm], waits: Sequence[Sequence[Latencies]]) -> None:
    """Draw the nines of arms into axes at their final place in the figure.

    Args:
        axes: empty.
        arms: the arms.
        waits: for each arm the ascending latencies (ns) of each trial that has any.
    """
    trials = [trial for wait in waits for trial in wait]
    low_ns = min((max(int(trial[0]), 1) for trial in trials), default=1000) / HEADROOM
    fast = [ladder.fast.to_ns for arm in arms if (ladder := arm.ladder) and ladder.fast]
    high_ns = HEADROOM * max([10_000, *fast, *(int(trial[-1]) for trial in trials)])
    apply_latency_axis(axes, min(low_ns, high_ns / 30), high_ns)
    most = max((nines_within(trial.size) for trial in trials), default=1.0)
    nines = np.linspace(0, most, GRID)
    _nines_axis(axes, most)
    for number, arm_waits in enumerate(waits):
        colour = series_colour(number)
        for trial in arm_waits:
            axes.plot(
                *trial_line(trial, nines),
                color=colour,
                linewidth=THIN_PT,
                alpha=0.45,
                label=f"{arms[number].label}, a trial",
            )
        if arm_waits:
            axes.plot(
                *median_line(arm_waits, nines), color=colour, linestyle=series_dashes(number), linewidth=THICK_PT,
                label=arms[number].label, zorder=3,
            )  # fmt: skip
    draw_arm_rungs(axes, arm_rungs([arm.ladder for arm in arms]), [arm.label for arm in arms])


def percent_text(nines: int) -> str:
    """Return a number of nines in per cent: ``'99.9 %'`` of three."""
    return f"{100 - 10.0 ** (2 - nines):.{max(0, nines - 2)}f} %"


def axis_ticks(most: float, width_pt: float) -> dict[float, str]:
    """Return the ticks of an axis of nines that have room, with their labels."""
    wanted = {float(nines): percent_text(nines) for nines in range(1, math.floor(most) + 1)}
    wanted |= {nines_of(0.5): "50 %", 0.0: "0"}
    ticks: dict[float, str] = {}
    for place, name in wanted.items():
        apart = (0.31 * TICK_PT * (len(name) + len(other) + 2) * most / width_pt for other in ticks.values())
        if all(abs(place - known) > room for known, room in zip(ticks, apart, strict=True)):
            ticks[place] = name
    return dict(sorted(ticks.items()))


def _nines_axis(axes: Axes, most: float) -> None:
    axes.set_xlim(0, most)
    ticks = axis_ticks(most, axes.bbox.width * 72 / style.DPI)
    axes.set_xticks(list(ticks), list(ticks.values()), fontsize=TICK_PT)
    axes.xaxis.set_minor_locator(FixedLocator([float(nines) for nines in range(1, math.floor(most) + 1)]))
    axes.grid(visible=True, axis="x")


def detail(arms: Sequence[Arm], waits: Sequence[Sequence[Latencies]]) -> str:
    """Return the p99 of each arm: the median over trials."""
    parts = []
    for arm, trials in zip(arms, waits, strict=True):
        if trials:
            p99 = sorted(float(quantiles_ns(trial, [0.99])[0]) for trial in trials)[(len(trials) - 1) // 2]
            parts.append(f"{duration_text(p99)} ({arm.label})")
    return f"99 in 100 attempts took no longer than {', '.join(parts)}" if parts else "no attempt sent a SYN"


def legend_entries(arms: Sequence[Arm]) -> list[Line2D]:
    """Return a labelled sample of each arm and of a single trial, for ``Figure.legend``."""
    samples = [
        Line2D(
            [],
            [],
            color=series_colour(number),
            linestyle=series_dashes(number),
            linewidth=THICK_PT,
            label=f" {arm.label}",
        )
        for number, arm in enumerate(arms)
    ]
    return [
        *samples,
        Line2D([], [], color=style.QUIET, linewidth=THIN_PT, label=" thin: a trial; thick: median over trials"),
    ]


def nines_figure(arms: Sequence[Arm]) -> Figure:
    """Return the latencies of arms, by nines, on a sheet of 1600 x 900 pixels."""
    waits = [[trial for trial in arm.waits_ns() if trial.size] for arm in arms]
    with matplotlib.style.context(["default", style.RC]):
        note = "attempts that sent a SYN; thick as far as ten of each trial lie beyond"
        figure, top = new_sheet(detail(arms, waits), title_of(arms), legend_entries(arms), [note, *caption_of(arms)])
        foot = FOOT + caption_rise(figure)
        axes = figure.add_axes((LEFT, foot, RIGHT_EDGE - LEFT, top - 0.045 - foot), label="nines")
        draw_nines(axes, arms, waits)
        axes.set_xlabel("share of attempts; each nine takes the same room")
        axes.set_ylabel("took no longer than, log scale")
        axes.yaxis.set_label_coords(-0.066 / (RIGHT_EDGE - LEFT), 0.5)
    return figure
