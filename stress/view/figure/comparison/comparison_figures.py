# SPDX-License-Identifier: MIT
"""The figures of a comparison, written to a folder."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from stress.analysis.comparison.arm import Arm
from stress.analysis.comparison.verdict import Comparison
from stress.view.figure.comparison.forest import forest_figure
from stress.view.figure.comparison.nines import nines_figure
from stress.view.figure.comparison.port_maps import port_maps_figure
from stress.view.figure.comparison.shift import shift_figure
from stress.view.figure.save import save_figure


def save_forest(comparisons: Sequence[Comparison], folder: Path, *, with_svg: bool = False) -> list[Path]:
    """Write one figure of all comparisons to a folder, which is created if necessary; return the path."""
    return save_figures({"forest.png": lambda: forest_figure(comparisons)}, folder, with_svg=with_svg)


def save_arm_figures(arms: Sequence[Arm], folder: Path, *, with_svg: bool = False) -> list[Path]:
    """Write the figures of the arms of one row to a folder, which is created if necessary.

    Args:
        arms: the base first; those without an attempt are left out.
        folder: for the figures.
        with_svg: whether to write each as SVG too.

    Returns:
        The paths of the figures.
    """
    known = [arm for arm in arms if any(len(run.attempts) for run in arm.runs)]
    if len(known) < 2:
        return []
    return save_figures(
        {
            "latency.png": lambda: nines_figure(known),
            "shift.png": lambda: shift_figure(known),
            "ports.png": lambda: port_maps_figure(known[0], known[1]),
        },
        folder,
        with_svg=with_svg,
    )


def save_figures(figures: Mapping[str, Callable[[], Figure]], folder: Path, *, with_svg: bool = False) -> list[Path]:
    """Draw figures and write them by name to a folder; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in figures.items():
        save_figure(draw(), folder / name, with_svg=with_svg)
    return [folder / name for name in figures]
