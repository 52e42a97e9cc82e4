# SPDX-License-Identifier: MIT
"""A history: the series of stored runs with their change points, and which of these are accepted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from stress.analysis.comparison.counter_metric import refuse_unknown_counters
from stress.analysis.history.change import ChangePoint, State, Track
from stress.analysis.history.change_point import find_change_points
from stress.analysis.history.detectors import Memo, compute_anew
from stress.analysis.history.run_row import RunRow, run_row
from stress.analysis.history.series import Series, series_of_rows
from stress.analysis.metric import Metric, find_metric
from stress.analysis.statistics.trials import THRESHOLD
from stress.model.acceptance import Acceptance
from stress.model.errors import UsageError
from stress.model.observation import Observation

LocatedEntry = tuple[str, Acceptance]  # the position of an entry in its file, and the entry


@dataclass(frozen=True)
class HistoryFilter:
    """Which series of a history are analysed.

    Attributes:
        metrics: names of metrics.
        cells: names of cells; none for all.
        testbeds: names of testbeds; none for all.
    """

    metrics: Sequence[str]
    cells: Sequence[str] = ()
    testbeds: Sequence[str] = ()

    def has(self, series: Series) -> bool:
        """Return whether a series is analysed."""
        return (
            series.metric.name in self.metrics
            and series.cell in (self.cells or [series.cell])
            and series.testbed in (self.testbeds or [series.testbed])
        )


@dataclass(frozen=True)
class History:
    """Series with their change points.

    Attributes:
        tracks: the series that are analysed, in the order of ``all_series``.
        warnings: a sentence for each accepted change that is not in any series.
    """

    tracks: tuple[Track, ...]
    warnings: tuple[str, ...]

    @property
    def open_regressions(self) -> list[tuple[Track, ChangePoint]]:
        """The regressions for which a gate fails."""
        return [(track, change) for track in self.tracks for change in track.open_regressions]


def build_history(
    observations: Iterable[Observation],
    choice: HistoryFilter,
    accepted: Sequence[LocatedEntry],
    threshold: float = THRESHOLD,
) -> History:
    """Return the series of stored runs with their change points; arguments and errors as of ``build_from_rows``."""
    metrics, runs = history_metrics(choice, accepted), [run for run in observations if not run.interrupted]
    refuse_unknown_counters(metrics, runs)
    rows = [run_row(run, metrics) for run in runs]
    return build_from_rows(rows, choice, accepted, threshold)


def history_metrics(choice: HistoryFilter, accepted: Sequence[LocatedEntry]) -> list[Metric]:
    """Return the metrics that are analysed, and those of accepted changes.

    Raises:
        UsageError: there is no such metric.
    """
    names = [*choice.metrics, *(entry.metric for _, entry in accepted if entry.metric not in choice.metrics)]
    return [find_entry_metric(name, accepted) for name in dict.fromkeys(names)]


def build_from_rows(
    rows: Iterable[RunRow],
    choice: HistoryFilter,
    accepted: Sequence[LocatedEntry],
    threshold: float = THRESHOLD,
    memo: Memo = compute_anew,
) -> History:
    """Return the series of stored runs with their change points.

    Args:
        rows: in any order, with values of ``history_metrics``.
        choice: the series that are analysed.
        accepted: the accepted changes, each with the position of its entry.
        threshold: of changes, as a share of the level before them.
        memo: where results are looked up by their contents, and stored.

    Raises:
        UsageError: there is no such metric, cell or testbed, or an entry has an unknown metric.
    """
    every = series_of_rows(rows, history_metrics(choice, accepted))
    refuse_unknown("cell", choice.cells, {series.cell for series in every})
    refuse_unknown("testbed", choice.testbeds, {series.testbed for series in every})
    places = [find_accepted_places(series, accepted) for series in every]
    matched = {where for of_series in places for where, _ in of_series}
    warnings = [
        f"{where}: no run of this history is {entry.at!r} of {entry.cell} on {entry.testbed} with a value of "
        f"{entry.metric} and a run before it; the entry does nothing, correct or remove it."
        for where, entry in accepted
        if where not in matched
    ]
    tracks = [
        find_change_points(series, {place: entry.reason for (_, entry), place in of_series.items()}, threshold, memo)
        for series, of_series in zip(every, places, strict=True)
        if choice.has(series)
    ]
    return History(tuple(tracks), tuple(warnings))


def find_entry_metric(name: str, accepted: Sequence[LocatedEntry]) -> Metric:
    """Return a metric by its name.

    Raises:
        UsageError: there is none; the message says which accepted entry has the name, if one has.
    """
    try:
        return find_metric(name)
    except UsageError as error:
        where = next((f"{where}: " for where, entry in accepted if entry.metric == name), "")
        raise UsageError(f"{where}{error}") from error


def refuse_unknown(kind: str, names: Iterable[str], known: set[str]) -> None:
    """Raise UsageError for names that are not known."""
    for name in names:
        if name not in known:
            raise UsageError(f"This history has no {kind} {name!r}; it has {', '.join(sorted(known)) or 'none'}.")


def find_accepted_places(series: Series, accepted: Iterable[LocatedEntry]) -> dict[LocatedEntry, int]:
    """Return the entries of a series, each with the index of the first point after its change."""
    identity = (series.cell, series.testbed, series.metric.name)
    places = {}
    for located in accepted:
        _, entry = located
        place = find_place(series, entry.at) if (entry.cell, entry.testbed, entry.metric) == identity else 0
        if place:
            places[located] = place
    return places


def find_place(series: Series, at: str) -> int:
    """Return the index of the point that a run folder's name or a time refers to; 0 for none, or the first point."""
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
    """Return entries that accept every change at a run that is not accepted yet.

    Args:
        history: the series that are analysed.
        at: name of a run folder, or a time.
        reason: why the changes are accepted.

    Raises:
        UsageError: there is no such change in the series that are analysed.
    """
    entries = [
        Acceptance(
            cell=track.series.cell,
            testbed=track.series.testbed,
            metric=track.series.metric.name,
            at=track.series.points[change.named_place].runs[0],
            reason=reason,
        )
        for track in history.tracks
        for change in track.all_changes
        if change.state is not State.ACCEPTED and change.named_place == find_place(track.series, at)
    ]
    if not entries:
        known = {
            track.series.points[change.named_place].runs[0]
            for track in history.tracks
            for change in track.all_changes
            if change.state is not State.ACCEPTED
        }
        raise UsageError(
            f"No change that can be accepted is at {at!r}; there is one at {', '.join(sorted(known)) or 'no run'}."
        )
    return entries
