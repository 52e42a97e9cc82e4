# SPDX-License-Identifier: MIT
"""The colour, marker and name of each verdict in figures."""

from matplotlib.lines import Line2D

from stress.analysis.comparison.verdict import Verdict
from stress.view.figure.style import Look

# Of Okabe and Ito: everybody can tell vermilion and blue apart; shapes repeat what colours say.
VERDICT_LOOKS: dict[Verdict, Look] = {
    Verdict.REGRESSED: Look("#D55E00", "X", "regressed"),
    Verdict.IMPROVED: Look("#0072B2", "D", "improved"),
    Verdict.INCONCLUSIVE: Look("#b07a00", "o", "inconclusive"),
    Verdict.EQUIVALENT: Look("#6b7683", "s", "equivalent"),
    Verdict.NO_DATA: Look("#8a3d6e", "", "no data"),
}
HOLLOW = (Verdict.INCONCLUSIVE,)  # its marks are hollow: nothing is known


def verdict_marker(verdict: Verdict, *, size: float) -> Line2D:
    """Return a mark of a verdict without data; ``size`` is in points."""
    look = VERDICT_LOOKS[verdict]
    hollow = verdict in HOLLOW
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=look.marker or "None",
        markersize=size,
        markerfacecolor="white" if hollow else look.colour,
        markeredgecolor=look.colour if hollow else "white",
        markeredgewidth=size * (0.2 if hollow else 0.08),
        label=look.label,
        zorder=4,
    )
