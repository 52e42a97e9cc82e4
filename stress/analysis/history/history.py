# SPDX-License-Identifier: MIT
"""A history: the series of stored runs with their steps, and which of these are accepted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from stress.analysis.history.change_point import ChangePoint, State, Track, find_change_points
from stress.analysis.history.series import Series, all_series
from stress.analysis.metric import Metric, find_metric
from stress.analysis.statistics.trials import THRESHOLD
from stress.model.acceptance import Acceptance
from stress.model.errors import UsageError
from stress.model.observation import Observation

LocatedEntry = tuple[str, Acceptance]  # an entry, and where it is in its file


@dataclass(frozen=True)
class HistoryFilter:
    """What of a history is looked at; nothing named: all of it."""

    metrics: Sequence[str]
    cells: Sequence[str] = ()
    testbeds: Sequence[str] = ()

    def has(self, series: Series) -> bool:
        """Whether a series is looked at."""
        return (
            series.metric.name in self.metrics
            and series.cell in (self.cells or [series.cell])
            and series.testbed in (self.testbeds or [series.testbed])
        )


@dataclass(frozen=True)
class History:
    """Series with their steps.

    Attributes:
        tracks: the series that are looked at, as ``all_series`` orders them.
        warnings: a sentence for each accepted change that is nowhere.
    """

    tracks: tuple[Track, ...]
    warnings: tuple[str, ...]

    @property
    def standing(self) -> list[tuple[Track, ChangePoint]]:
        """The regressions that a gate fails for."""
        return [(each, change) for each in self.tracks for change in each.standing]


def build_history(
    observations: Iterable[Observation],
    choice: HistoryFilter,
    accepted: Sequence[LocatedEntry],
    threshold: float = THRESHOLD,
) -> History:
    """Return the series of stored runs with their steps.

    Args:
        observations: in any order.
        choice: what is looked at.
        accepted: changes that are let stand, each with the place of its entry.
        threshold: of steps, as a share of the level before them.

    Raises:
        UsageError: there is no such metric, cell or testbed, or an entry has a metric that there is not.
    """
    names = [*choice.metrics, *(each.metric for _, each in accepted if each.metric not in choice.metrics)]
    every = all_series(observations, [find_entry_metric(name, accepted) for name in dict.fromkeys(names)])
    refuse_unknown("cell", choice.cells, {series.cell for series in every})
    refuse_unknown("testbed", choice.testbeds, {series.testbed for series in every})
    places = [find_accepted_places(series, accepted) for series in every]
    met = {where for found in places for where, _ in found}
    warnings = [
        f"{where}: no run of this history is {each.at!r} of {each.cell} on {each.testbed} with a value of "
        f"{each.metric} and a run before it; the entry does nothing, correct or remove it."
        for where, each in accepted
        if where not in met
    ]
    tracks = [
        find_change_points(series, {place: each.reason for (_, each), place in found.items()}, threshold)
        for series, found in zip(every, places, strict=True)
        if choice.has(series)
    ]
    return History(tuple(tracks), tuple(warnings))


def find_entry_metric(name: str, accepted: Sequence[LocatedEntry]) -> Metric:
    """Return a metric by its name; when there is none, and an entry has it, say which."""
    try:
        return find_metric(name)
    except UsageError as error:
        where = next((f"{where}: " for where, each in accepted if each.metric == name), "")
        raise UsageError(f"{where}{error}") from error


def refuse_unknown(kind: str, names: Iterable[str], known: set[str]) -> None:
    """Raise UsageError for what is named and not there."""
    for name in names:
        if name not in known:
            raise UsageError(f"This history has no {kind} {name!r}; it has {', '.join(sorted(known)) or 'none'}.")


def find_accepted_places(series: Series, accepted: Iterable[LocatedEntry]) -> dict[LocatedEntry, int]:
    """Return the entries that are about a series, each with the index of the first point after its change."""
    of_the_series = (series.cell, series.testbed, series.metric.name)
    found = {}
    for located in accepted:
        _, each = located
        place = find_place(series, each.at) if (each.cell, each.testbed, each.metric) == of_the_series else 0
        if place:
            found[located] = place
    return found


def find_place(series: Series, at: str) -> int:
    """Return the index of the point that a run or a time stands for; 0 where there is none, or none before it."""
    for place, point in enumerate(series.points):
        if any(name == at or name.endswith(f"-{at}") for name in point.runs):
            return place
    try:
        time = datetime.fromisoformat(at)
    except ValueError:
        return 0
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return next((place for place, point in enumerate(series.points) if point.time >= time), 0)


def accept_changes(history: History, at: str, reason: str) -> list[Acceptance]:
    """Return the entries that accept every change at a run that is not accepted yet.

    Raises:
        UsageError: there is no such change in the series that are looked at.
    """
    found = [
        Acceptance(
            cell=each.series.cell,
            testbed=each.series.testbed,
            metric=each.series.metric.name,
            at=each.series.points[change.place].runs[0],
            reason=reason,
        )
        for each in history.tracks
        for change in each.changes
        if change.state is not State.ACCEPTED and change.place == find_place(each.series, at)
    ]
    if not found:
        known = {
            each.series.points[change.place].runs[0]
            for each in history.tracks
            for change in each.changes
            if change.state is not State.ACCEPTED
        }
        raise UsageError(
            f"No change that can be accepted is at {at!r}; there is one at {', '.join(sorted(known)) or 'no run'}."
        )
    return found
