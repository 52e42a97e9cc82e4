# SPDX-License-Identifier: MIT
"""The figures of a comparison, written to a folder."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib.style
from matplotlib.figure import Figure

from stress.analysis.comparison.arm import Arm
from stress.analysis.comparison.verdict import Comparison
from stress.view.figure import style
from stress.view.figure.comparison.forest import forest
from stress.view.figure.comparison.nines import nines
from stress.view.figure.comparison.port_maps import port_maps
from stress.view.figure.comparison.shift import shift


def draw_all(comparisons: Sequence[Comparison], folder: Path) -> list[Path]:
    """Draw all comparisons as one figure into a folder, which is made where need be; return what was written."""
    return save({"forest.png": lambda: forest(comparisons)}, folder)


def draw_arms(arms: Sequence[Arm], folder: Path) -> list[Path]:
    """Draw the attempts of the arms of one row into a folder, which is made where need be.

    Args:
        arms: the base first; those without an attempt are left out.
        folder: where to.

    Returns:
        What was written.
    """
    known = [arm for arm in arms if any(len(run.attempts) for run in arm.runs)]
    if len(known) < 2:
        return []
    return save(
        {
            "latency.png": lambda: nines(known),
            "shift.png": lambda: shift(known),
            "ports.png": lambda: port_maps(known[0], known[1]),
        },
        folder,
    )


def save(figures: Mapping[str, Callable[[], Figure]], folder: Path) -> list[Path]:
    """Write figures by their names into a folder; the same figure has the same bytes every time."""
    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.style.context(["default", style.RC]):
        for name, make in figures.items():
            make().savefig(folder / name, metadata={"Software": None})
    return [folder / name for name in figures]
