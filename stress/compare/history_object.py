# SPDX-License-Identifier: MIT
"""A history as ``--json`` prints it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stress.analysis.history.change import ChangePoint, Track
from stress.analysis.history.change_point import SHOWING_POINTS_MIN
from stress.analysis.history.difference import differences_at
from stress.analysis.history.history import History
from stress.compare.history_profiles import step_object
from stress.profile.step_profile import StepProfile


def history_object(
    history: History, steps: Sequence[StepProfile], folder: Path, runs: int, pictures: Sequence[Path]
) -> dict[str, Any]:
    """Return a history and the profiles of its steps as ``--json`` prints them."""
    return {
        "path": str(folder),
        "runs": runs,
        "regressions": len(history.open_regressions),
        "too_short": sum(len(track.series.points) < SHOWING_POINTS_MIN for track in history.tracks),
        "figures": [str(picture) for picture in pictures],
        "warnings": list(history.warnings),
        "series": [series_object(track) for track in history.tracks],
        "profiles": [step_object(step) for step in steps],
    }


def series_object(track: Track) -> dict[str, Any]:
    """Return a series with its levels and changes."""
    series = track.series
    return {
        "cell": series.cell,
        "testbed": series.testbed,
        "metric": series.metric.name,
        "unit": series.metric.unit,
        "identity": series.identity,
        "current": series.current,
        "points": len(series.points),
        "segments": [
            {"level": segment.level, "points": segment.last - segment.first, "since": series.points[segment.first].time}
            for segment in track.segments
        ],
        "busy": sum(point.is_busy for point in series.points),
        "two_levels": levels_object(track),
        "changes": [change_object(track, change) for change in track.changes],
        "drifts": [change_object(track, change) for change in track.drifts],
    }


def levels_object(track: Track) -> dict[str, Any] | None:
    """Return the two levels between which a series flips, with the first run after each flip; None for none."""
    levels = track.two_levels
    if levels is None:
        return None
    flips = [track.series.points[flip].runs[0] for flip in levels.flips]
    return {"low": levels.low, "high": levels.high, "flips": flips}


def change_object(track: Track, change: ChangePoint) -> dict[str, Any]:
    """Return a change with the first run after it; a drift with its last run, and the time of its first one."""
    points = track.series.points
    after = points[change.place]
    return {
        "kind": change.kind,
        "at": points[change.named_place].runs[0],
        "time": after.time,
        "program": after.program,
        "commit": after.commit or None,
        "kernel": after.kernel,
        "before": change.before,
        "after": change.after,
        "state": change.state,
        "direction": change.direction,
        "undone": change.undone,
        "went_away": change.went_away,
        "changed": [
            {"what": one.what, "before": one.before, "after": one.after, "at": points[one.place].runs[0]}
            for one in differences_at(track.series, change)
        ],
        "reason": change.reason or None,
        "gates": change in track.open_regressions,
    }
