# SPDX-License-Identifier: MIT
"""The mark of a change that is not the one between the two medians next to it, and what the change is instead."""

import math
from collections.abc import Iterable

from stress.analysis.statistics.trials import THRESHOLD, Effect, Estimate, Kind
from stress.model.text import join_words
from stress.view.text.metric_wording import change_text

MARK = "*"
# What a change is, by its kind and by whether trials were paired in blocks.
CHANGES: dict[tuple[Kind, bool], str] = {
    ("ratio", True): "the median of the ratios within blocks",
    ("ratio", False): "the median of the ratios between all trials",
    ("difference", True): "the mean of the differences within blocks",
    ("difference", False): "the difference of the means",
}


def is_apart(effect: Effect | None, base: Estimate | None, new: Estimate | None) -> bool:
    """Return whether a reader of two medians and their change would see them contradict each other.

    The change has the other direction, or is off by as much as a change that matters; and this can be seen.
    """
    if effect is None or base is None or new is None:
        return False
    if effect.kind == "ratio":
        if min(base.median, new.median, effect.value) <= 0:
            return False
        shown = new.median / base.median
        is_opposite = (shown - 1) * (effect.value - 1) < 0
        is_far = abs(math.log(shown / effect.value)) >= math.log1p(THRESHOLD)
    else:
        shown = new.median - base.median
        is_opposite = shown * effect.value < 0
        is_far = abs(shown - effect.value) >= THRESHOLD * max(abs(base.median), abs(new.median))
    return (is_opposite or is_far) and change_text(effect, shown) != change_text(effect, effect.value)


def mark_note(changes: Iterable[tuple[Kind, bool]]) -> str:
    """Return what marked changes are, each given as its kind and whether it is paired; ``""`` without any."""
    marked = set(changes)
    texts = [text for change, text in CHANGES.items() if change in marked]
    return f"{MARK} {join_words(texts, 'or')}, which is not the change between the medians shown." if texts else ""
