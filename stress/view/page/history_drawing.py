# SPDX-License-Identifier: MIT
"""The drawing of one series on the page of a history, in numbers."""

from dataclasses import dataclass

from stress.analysis.history.change import Direction, Track
from stress.analysis.statistics.trials import TIMED_UNITS
from stress.view.text import metric_wording as words
from stress.view.text.history_wording import change_text, state_words
from stress.view.text.table import Tone

TONES = {Direction.REGRESSED: Tone.WORSE, Direction.IMPROVED: Tone.BETTER, Direction.CHANGED: Tone.STRONG}
WIDTH, HEIGHT, MARGIN = 640.0, 120.0, 12.0  # of a drawing, in its own units


@dataclass(frozen=True)
class DrawnSeries:
    """A series as it is drawn: its name, the range of its values, points, levels and changes by place."""

    name: str
    low: str
    high: str
    first: str
    last: str
    points: tuple[tuple[float, float, float, float], ...]  # x, y, and the ends of the interval
    changes: tuple[tuple[float, str, str], ...]  # x, what the change is called, and its look


def draw_series(track: Track) -> DrawnSeries:
    """Return a series as numbers on a drawing; points stand at equal distances, in their order."""
    series = track.series
    ends = [end for point in series.points for end in (point.estimate.low, point.estimate.high)]
    low, high = min(ends), max(ends)
    if series.metric.unit not in TIMED_UNITS:
        low = min(low, 0.0)
    span = (high - low) or 1.0
    count = len(series.points)

    def x_of(place: float) -> float:
        return round(MARGIN + (WIDTH - 2 * MARGIN) * (place / (count - 1) if count > 1 else 0.5), 1)

    def y_of(value: float) -> float:
        return round(HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value - low) / span, 1)

    points = tuple(
        (x_of(place), y_of(point.estimate.median), y_of(point.estimate.low), y_of(point.estimate.high))
        for place, point in enumerate(series.points)
    )
    changes = tuple(
        (
            x_of(change.place - 0.5),
            f"{change_text(series, change)} {state_words(change)}",
            TONES[change.direction].value,
        )
        for change in track.all_changes
    )
    return DrawnSeries(
        name=f"{series.cell}: {words.name_text(series.metric)}{'' if series.current else ', of an older plan'}",
        low=words.value_text(series.metric, low),
        high=words.value_text(series.metric, high),
        first=f"{series.points[0].time:%Y-%m-%d}",
        last=f"{series.points[-1].time:%Y-%m-%d}",
        points=points,
        changes=changes,
    )
