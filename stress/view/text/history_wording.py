# SPDX-License-Identifier: MIT
"""Wording and order of the changes of a history, shared by its table and its figure."""

from collections.abc import Sequence

from stress.analysis.history.change_point import ChangePoint, State, Track
from stress.analysis.history.series import Series
from stress.analysis.statistics.trials import TIMED_UNITS
from stress.view.text import metric_wording as words


def importance(track: Track, change: ChangePoint) -> tuple[bool, int]:
    """Return the sort key of a change: open regressions first, then by state."""
    return change not in track.open_regressions, [State.CONFIRMED, State.SUSPECTED, State.ACCEPTED].index(change.state)


def change_text(series: Series, change: ChangePoint) -> str:
    """Return a change: ``'×1.53'`` of times and rates, ``'+17.7k'`` of counts."""
    if series.metric.unit in TIMED_UNITS and change.before > 0:
        return words.ratio_text(change.after / change.before)
    amount = change.after - change.before
    return f"{'+' if amount > 0 else words.MINUS}{words.count_text(abs(amount))}"


def count_line(points: Sequence[int]) -> str:
    """Return how many series there are, and how many points they have."""
    if not points:
        return "no series: no run has a value of these metrics"
    span = f"{min(points):,}" if min(points) == max(points) else f"{min(points):,} to {max(points):,}"
    span += " point" if max(points) == 1 else " points"
    return f"{len(points):,} series of {span} each" if points[1:] else f"1 series of {span}"
