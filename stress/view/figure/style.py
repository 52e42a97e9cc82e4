# SPDX-License-Identifier: MIT
"""What all figures share: palette, font, and the mark of each outcome."""

from dataclasses import dataclass
from typing import Any

from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D

from stress.model.outcome import Outcome

DPI = 160

INK, QUIET, FAINT = "#1b2430", "#5d6875", "#c9d0d8"
LADDER_TINT = "#F0E442"  # the yellow of Okabe and Ito: too pale for marks, suitable for a translucent band
RUNG = "#cdbf2e"
GIVE_UP = "#D55E00"

# A single attempt must be visible on white, so the ramp does not begin near white.
BODY = LinearSegmentedColormap.from_list("body", ["#a3b6cc", "#5f7fa6", "#2c4a73", "#0b1d3a"])

RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so figures are the same on every host
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # names come from files: a lone $ in one must not be a formula that cannot be read
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
    """The colour, marker and name of an outcome. Filled marks met a mine, hollow ones did not."""

    colour: str
    marker: str
    label: str


# Colours of Okabe and Ito (jfly.uni-koeln.de/color), safe for the colour-blind; shapes repeat what colours say.
LOOKS: dict[Outcome, Look] = {
    Outcome.CONNECTED: Look("#2c4a73", "s", "connected at once"),
    Outcome.SELF_CONNECTED: Look("#B8000F", "d", "connected to itself"),
    Outcome.RETRIED: Look("#E69F00", "o", "retried"),
    Outcome.TIMED_OUT: Look("#D55E00", "X", "timed out"),
    Outcome.REFUSED: Look("#0072B2", "s", "refused"),
    Outcome.RESET: Look("#56B4E9", "D", "reset"),
    Outcome.NO_PORT: Look("#CC79A7", "v", "no port"),
    Outcome.IN_USE: Look("#009E73", "^", "port in use"),
    Outcome.UNFINISHED: Look("#000000", ">", "unfinished"),
    Outcome.OTHER: Look("#6b6b6b", "P", "other error"),
}


def outcome_marker(outcome: Outcome, *, filled: bool, size: float, alpha: float) -> Line2D:
    """Return a mark of an outcome without data; ``size`` is in points."""
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
