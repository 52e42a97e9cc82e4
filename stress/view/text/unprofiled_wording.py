# SPDX-License-Identifier: MIT
"""How many trials have no profile although one was wanted, and why, in words; needs neither matplotlib nor rich."""

from collections import Counter
from collections.abc import Iterable, Sequence

from stress.analysis.statistics.trials import CellTrials
from stress.model.text import plural

REASONS_MAX = 3  # that are written, the most frequent first


def unprofiled_line(cells: Sequence[CellTrials]) -> str:
    """Return how many trials of profiled cells have no profile, and why, in a sentence; "" where all have one."""
    done = sum(len(trials.done) for trials in cells if trials.cell.profile or trials.unprofiled)
    return unprofiled_sentence((reason for trials in cells for reason in trials.unprofiled.values()), done)


def unprofiled_sentence(reasons: Iterable[str], done: int) -> str:
    """Return how many of the trials that are done have no profile, and why; "" for no reason.

    Args:
        reasons: one for each trial without a profile, a sentence.
        done: how many trials should have one.
    """
    counts = Counter(reason.rstrip(".") for reason in reasons)
    if not counts:
        return ""
    often = counts.most_common(REASONS_MAX)
    texts = [f"{reason} ({count:,})" if len(counts) > 1 else reason for reason, count in often]
    texts += [f"{len(counts) - len(often):,} more reasons"] if len(counts) > len(often) else []
    has = "has" if counts.total() == 1 else "have"
    return f"{counts.total():,} of {plural(done, 'trial')} {has} no profile: {'; '.join(texts)}."
