# SPDX-License-Identifier: MIT
"""How many sessions arms have, in words."""

from collections.abc import Iterable, Sequence

from stress.analysis.comparison.verdict import Comparison, Unit


def sessions_text(comparisons: Sequence[Comparison]) -> str:
    """Return how many sessions the arms have: ``' (14 against 1)'``; ``''`` where no arms are compared by sessions."""
    counts = {
        (comparison.base_estimate.trials, comparison.new_estimate.trials)
        for comparison in comparisons
        if comparison.unit is Unit.SESSION and comparison.base_estimate and comparison.new_estimate
    }
    return f" ({span_of(base for base, _ in counts)} against {span_of(new for _, new in counts)})" if counts else ""


def span_of(counts: Iterable[int]) -> str:
    """Return some numbers as the lowest and the highest: ``'9 to 14'``."""
    least, *more = sorted(set(counts))
    return f"{least:,} to {more[-1]:,}" if more else f"{least:,}"
