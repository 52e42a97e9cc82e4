# SPDX-License-Identifier: MIT
"""The ladders of several arms in one picture: each rung once, with the names of its arms if not all arms have it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from stress.analysis.attribution.ladder import Ladder
from stress.view.figure import style
from stress.view.figure.axes import spread_labels
from stress.view.figure.series_style import series_colour

NAME_PT = 8.0
NAME_MAX = 14  # letters of a name with those of its arms; the colour shows the first arm too


@dataclass(frozen=True)
class ArmRung:
    """A rung of a ladder, or its end, and the numbers of the arms whose kernel has it."""

    label: str
    at_ns: int
    arms: tuple[int, ...]
    gives_up: bool = False


def arm_rungs(ladders: Sequence[Ladder | None]) -> list[ArmRung]:
    """Return the rungs and ends of all arms' ladders, lowest first, each once."""
    numbers: dict[tuple[str, int, bool], list[int]] = {}
    for number, ladder in enumerate(ladders):
        if ladder is None:
            continue
        rungs = [*((ladder.fast,) if ladder.fast else ()), *ladder.rungs]
        for rung in rungs:
            numbers.setdefault((rung.label, rung.from_ns, False), []).append(number)
        numbers.setdefault((f"ETIMEDOUT {ladder.give_up_ns / 1e9:.0f} s", ladder.give_up_ns, True), []).append(number)
    merged = [ArmRung(label, at_ns, tuple(arms), gives_up) for (label, at_ns, gives_up), arms in numbers.items()]
    return sorted(merged, key=lambda rung: (rung.at_ns, rung.label))


def rung_text(rung: ArmRung, labels: Sequence[str]) -> str:
    """Return the name of a rung that several arms have but not all, with the names of these arms if they fit."""
    whose = ", ".join(labels[number] for number in rung.arms)
    room = NAME_MAX - len(rung.label) - len(" ()")
    if room < 3:
        return rung.label
    return f"{rung.label} ({whose if len(whose) <= room else whose[: room - 1] + '…'})"


def draw_arm_rungs(axes: Axes, rungs: Sequence[ArmRung], labels: Sequence[str]) -> None:
    """Draw the rungs within the axes as dashed lines, named to the right.

    Args:
        axes: with a latency axis, at their final place in the figure.
        rungs: the rungs, lowest first.
        labels: of the arms.
    """
    low_ns, high_ns = axes.get_ylim()
    shown = [rung for rung in rungs if low_ns < rung.at_ns < high_ns]
    height_pt = axes.bbox.height * 72 / style.DPI
    step = 1.25 * NAME_PT / height_pt
    for rung in shown:
        colour = (
            series_colour(rung.arms[0])
            if len(rung.arms) < len(labels)
            else style.GIVE_UP
            if rung.gives_up
            else style.RUNG
        )
        axes.axhline(rung.at_ns, color=colour, linewidth=0.9, linestyle=(0, (5, 3)), zorder=0.8, label=f"_{rung.label}")
    named = shown if len(shown) * step < 1 else shown[:: math.ceil(len(shown) * step)]
    targets = [math.log(rung.at_ns / low_ns) / math.log(high_ns / low_ns) for rung in named]
    for rung, place in zip(named, spread_labels(targets, step, 1 + step), strict=True):
        everybody = len(rung.arms) == len(labels)
        axes.annotate(
            rung.label if everybody or len(rung.arms) == 1 else rung_text(rung, labels),
            xy=(1, rung.at_ns),
            xycoords=axes.get_yaxis_transform(),
            xytext=(1.03, place),
            textcoords="axes fraction",
            verticalalignment="center",
            fontsize=NAME_PT,
            color=style.QUIET if everybody else series_colour(rung.arms[0]),
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": style.QUIET,
                "linewidth": 0.6,
                "relpos": (0, 0.5),
                "shrinkA": 1,
                "shrinkB": 0,
            },
        )
