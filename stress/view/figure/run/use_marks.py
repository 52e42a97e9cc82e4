# SPDX-License-Identifier: MIT
"""The first use of each connection in a timeline: by the start of the attempt, and the time until the answer."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from stress.analysis.attribution.findings import Findings
from stress.view.figure.style import Look

ANSWERED = Look("#009E73", ".", "first use answered")
FAILED = Look("#B8000F", "X", "first use failed")
MARKS_MAX = 20_000  # of more, every n-th is drawn


def used_rows(findings: Findings) -> list[tuple[Look, npt.NDArray[np.intp]]]:
    """Return the attempts whose connections were used, by how that ended; none where there are none."""
    uses = findings.run.uses
    if not len(uses):
        return []
    used = uses["use_ns"] > 0
    groups = ((ANSWERED, used & (uses["error"] == 0)), (FAILED, used & (uses["error"] != 0)))
    return [(look, np.flatnonzero(mask)) for look, mask in groups if mask.any()]


def make_mark(look: Look, label: str, size: float) -> Line2D:
    """Return a mark without data; ``size`` is in points."""
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=look.marker,
        markersize=size,
        markerfacecolor=look.colour,
        markeredgecolor="white",
        markeredgewidth=0 if look is ANSWERED else 0.4,
        label=label,
        zorder=3,
    )


def draw_uses(axes: Axes, findings: Findings) -> None:
    """Draw every use into a timeline's axes."""
    attempts: npt.NDArray[Any] = findings.run.attempts
    for look, rows in used_rows(findings):
        drawn = rows[:: -(-len(rows) // MARKS_MAX)]
        mark = make_mark(look, look.label, size=5 if look is ANSWERED else 7)
        mark.set_data(attempts["start_ns"][drawn] / 1e9, findings.run.uses["use_ns"][drawn])
        axes.add_line(mark)


def use_entries(findings: Findings) -> list[Line2D]:
    """Return a labelled and counted sample for each way in which uses ended, for ``Figure.legend``."""
    return [make_mark(look, f"{look.label}  {len(rows):,}", size=8) for look, rows in used_rows(findings)]
