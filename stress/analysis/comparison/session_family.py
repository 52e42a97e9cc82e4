# SPDX-License-Identifier: MIT
"""What comparisons of sessions know only together, and how many more sessions would decide one of them."""

import dataclasses
from collections.abc import Sequence

from stress.analysis.comparison.change import Change
from stress.analysis.comparison.verdict import Comparison
from stress.analysis.statistics.session import SessionSample
from stress.analysis.statistics.session_power import sessions_needed
from stress.analysis.statistics.session_tail import NORMAL, estimate_tail

# Base sessions that are a history: further ones would not say much more, so that new ones are asked for. With fewer,
# sessions of both arms are.
HISTORY_MIN = 10


def with_common_tail(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return the comparisons, those of sessions with p and interval by the tail that all of their sessions have."""
    shapes = [
        comparison.sessions.shapes
        for comparison in comparisons
        if comparison.sessions is not None and comparison.held_back is None
    ]
    # Two conditions on one metric have the same sessions, which count once.
    tail = estimate_tail(list(dict.fromkeys(shape for several in shapes for shape in several)))
    if tail == NORMAL:
        return list(comparisons)
    return [with_tail(comparison, tail) for comparison in comparisons]


def with_tail(comparison: Comparison, tail: float) -> Comparison:
    """Return a comparison with p and interval of sessions that have a tail; unchanged where it is not of sessions."""
    contrast = comparison.sessions.contrast(tail) if comparison.sessions else None
    if contrast is None or comparison.p is None:
        return comparison
    return dataclasses.replace(comparison, low=contrast.low, high=contrast.high, p=contrast.p)


def adds_new_alone(base: int) -> bool:
    """Return whether the sessions that would decide are new ones alone, given the number of base sessions."""
    return base >= HISTORY_MIN


def count_more_sessions(sample: SessionSample, change: Change, alpha: float) -> int | None:
    """Return how many more sessions would probably decide, if change and deviation are what was measured.

    They are new ones alone where ``adds_new_alone``, else as many of each arm. An estimate that is just the smallest
    change that matters would stay so in half of the cases: no number decides it.

    Args:
        sample: what was compared.
        change: an inconclusive one.
        alpha: what the smallest p of its family must not exceed.
    """
    deviation, design = sample.deviation(), sample.design
    if deviation is None:
        return None
    return sessions_needed(
        change.effect,
        deviation,
        design.base,
        design.new,
        further=design.further,
        alpha=alpha,
        least=change.least,
        of_both=not adds_new_alone(design.base),
    )
