# SPDX-License-Identifier: MIT
"""In how many trials of a suite the machine was not quiet, in words; needs neither matplotlib nor rich."""

from collections.abc import Sequence

from stress.analysis.comparison.quiet import usual_reason
from stress.analysis.statistics.trials import CellTrials
from stress.model.text import plural


def busy_text(cells: Sequence[CellTrials]) -> str:
    """Return in how many trials the machine was busy, of those that measure times; ``''`` if in none."""
    measuring = [trials for trials in cells if trials.cell.measures]
    reasons = [reason for trials in measuring for reason in trials.busy.values()]
    if not reasons:
        return ""
    done = sum(len(trials.done) for trials in measuring)
    return f"the machine was busy in {len(reasons):,} of {plural(done, 'trial')} ({usual_reason(reasons)})"
