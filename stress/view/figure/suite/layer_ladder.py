# SPDX-License-Identifier: MIT
"""The ladder of layers: what each adds to the time for an attempt, against the layer below."""

from collections.abc import Sequence
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from stress.analysis.comparison.layer_steps import LayerStep
from stress.view.figure import style
from stress.view.figure.caption import draw_caption
from stress.view.figure.sheet import draw_head
from stress.view.text.layer_wording import cost_text, range_text, reading_phrases
from stress.view.text.profile_wording import MINUS

LINEAR_TO_NS = 100  # the axis is linear between this and its opposite
TICKS_NS = (100, 1_000, 10_000, 100_000, 1_000_000)
# All lengths in inches.
WIDTH, LEFT, RIGHT = 12.0, 2.95, 3.3
TITLE, ALARM, LEGEND, LINE, AXIS, FOOT = 0.56, 0.24, 0.3, 0.165, 0.5, 0.5
FONT_PT, MARK_PT = 8.5, 6.0
LOOKS = {
    "costs": style.Look("#D55E00", "o", "costs time"),
    "saves": style.Look("#0072B2", "s", "saves time"),
    "nothing": style.Look(style.QUIET, "D", "nothing sure"),
}


def look_of(step: LayerStep) -> style.Look:
    """Return how a step is drawn."""
    return LOOKS["nothing" if not step.is_sure else "costs" if step.cost.effect > 0 else "saves"]


def layer_ladder_figure(steps: Sequence[LayerStep], title: str, caption: Sequence[str], alarm: str = "") -> Figure:
    """Return the ladder, 1920 pixels wide and no higher than a laptop screen of that width where there are 28 steps.

    Args:
        steps: from the lowest layer on.
        title: of the sheet.
        caption: phrases for its foot.
        alarm: what makes the numbers doubtful.
    """
    top = TITLE + (ALARM if alarm else 0) + LEGEND
    height = top + len(steps) * LINE + AXIS + FOOT
    with matplotlib.style.context(["default", style.RC]):
        figure = Figure(figsize=(WIDTH, height), dpi=style.DPI)
        FigureCanvasAgg(figure)
        draw_head(figure, title, alarm)
        if steps:
            draw_looks(figure, steps, 1 - (top - LEGEND) / height)
            size = len(steps) * LINE / height
            place = (LEFT / WIDTH, 1 - top / height - size, (WIDTH - LEFT - RIGHT) / WIDTH, size)
            draw_steps(figure.add_axes(place, label="steps"), steps)
        draw_caption(figure, [*reading_phrases(steps), *caption], font_size=7.5)
        figure.texts[-1].set_y(0.1 / height)
        return figure


def draw_looks(figure: Figure, steps: Sequence[LayerStep], top: float) -> None:
    """Draw the legend below a place (0 to 1)."""
    looks = {look.label: look for look in map(look_of, steps)}
    marks = [
        Line2D([], [], linestyle="none", marker=look.marker, color=look.colour, label=look.label)
        for look in LOOKS.values()
        if look.label in looks
    ]
    figure.legend(handles=marks, loc="upper left", bbox_to_anchor=(0.013, top), ncols=3, fontsize=9)


def draw_steps(axes: Axes, steps: Sequence[LayerStep]) -> None:
    """Draw the steps, the lowest layer at the top."""
    ends = [abs(end) for step in steps for end in (step.cost.low, step.cost.high)]
    reach = 1.3 * max(LINEAR_TO_NS, *ends)
    axes.set_xscale("symlog", linthresh=LINEAR_TO_NS)
    lowest = min(step.cost.low for step in steps)
    axes.set_xlim(min(1.3 * lowest, -LINEAR_TO_NS), reach)
    ticks = [0, *TICKS_NS, *(-tick for tick in TICKS_NS)]
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if axes.get_xlim()[0] <= tick <= reach]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}".replace("-", MINUS)))
    axes.set_xlabel("ns for an attempt more than the layer below: a log scale, linear between −100 and 100", fontsize=8)
    axes.set_ylim(len(steps) - 0.5, -0.5)
    axes.yaxis.set_major_locator(NullLocator())
    axes.tick_params(axis="x", labelsize=8, length=2)
    axes.grid(visible=True, axis="x")
    axes.axvline(0, color=style.QUIET, linewidth=0.8, zorder=1)
    for place, step in enumerate(steps):
        draw_step(axes, step, place)


def draw_step(axes: Axes, step: LayerStep, place: int) -> None:
    """Draw one step: its names, its cost with the interval, and both in numbers."""
    look, beside = look_of(step), axes.get_yaxis_transform()
    axes.axhline(place, color=style.FAINT, linewidth=0.4, zorder=0.4)
    axes.plot([0, step.cost.effect], [place, place], color=look.colour, linewidth=0.8, zorder=2)
    axes.plot([step.cost.low, step.cost.high], [place, place], color=look.colour, linewidth=3.2, alpha=0.45, zorder=2)
    axes.plot(
        [step.cost.effect], [place], linestyle="none", marker=look.marker, markersize=MARK_PT, color=look.colour,
        markeredgewidth=0, zorder=3,
    )  # fmt: skip
    size: dict[str, Any] = {"fontsize": FONT_PT, "verticalalignment": "center"}
    shift = (0.018 - LEFT / WIDTH) * WIDTH / (WIDTH - LEFT - RIGHT)
    axes.text(shift, place, step.layer.name, transform=beside, fontweight="bold", **size)
    axes.text(shift / 2, place, f"on {step.layer.below}", transform=beside, color=style.QUIET, **size)
    axes.text(1.02, place, cost_text(step), transform=beside, color=look.colour, fontweight="bold", **size)
    axes.text(1.22, place, f"({range_text(step)})", transform=beside, color=style.QUIET, **size)
