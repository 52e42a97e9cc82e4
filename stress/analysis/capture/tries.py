# SPDX-License-Identifier: MIT
"""Tries: the connection tries of capture files as attempts, each once, whatever number of points captured it."""

import errno
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.capture.ending import Endings, find_endings
from stress.analysis.capture.flows import build_flows
from stress.analysis.capture.period import Periods
from stress.analysis.capture.point import Point, find_points
from stress.model.attempt import ATTEMPT, STORM
from stress.model.flow import no_flows
from stress.model.segment import SEGMENT, Segments

# What tells one try from another, wherever it was captured.
NAME = ("family", "source", "destination", "source_port", "destination_port", "sequence")


@dataclass(frozen=True)
class PointTries:
    """The tries of one point of capture.

    Attributes:
        point: the point.
        flows: shape (tries,), dtype FLOW.
        periods: in which its segments are.
        endings: of the tries.
        first: index of the first SYN of each in all segments, shape (tries,).
    """

    point: Point
    flows: npt.NDArray[Any]
    periods: Periods
    endings: Endings
    first: npt.NDArray[np.intp]


@dataclass(frozen=True)
class Tries:
    """All tries of some captures, in the order of their first SYNs.

    Attributes:
        attempts: shape (tries,), dtype ATTEMPT; ``address`` is 0, and ``start_ns`` counts from the first of all.
        syns: the first SYN of each, shape (tries,), dtype SEGMENT.
        flows: shape (flows,), dtype FLOW, in the order of the tries.
        points: the points of capture.
        point: number of the point that tells how each ended, shape (tries,).
        number: of each in that point, shape (tries,).
        epoch_ns: time of the first of all first SYNs, CLOCK_REALTIME of the first point; 0 without tries.
        clocks_ns: how far the clock of each point is ahead of that of the first, shape (points,); 0 where they share
            no try. The transit of a SYN is in it.
    """

    attempts: npt.NDArray[Any]
    syns: npt.NDArray[Any]
    flows: npt.NDArray[Any]
    points: list[PointTries]
    point: npt.NDArray[np.intp]
    number: npt.NDArray[np.intp]
    epoch_ns: int
    clocks_ns: npt.NDArray[np.int64]


def find_tries(segments: Segments) -> Tries:
    """Return the connection tries of capture files.

    A try that several points captured is told by its ends and its sequence number, for their clocks may differ. It
    ended as that point says that saw most of its SYNs; of these the first.
    """
    rows = segments.rows
    points = [tries_of_point(rows, point) for point in find_points(segments.files, rows)]
    counts = [len(part.flows) for part in points]
    if not sum(counts):
        return Tries(
            np.zeros(0, ATTEMPT),
            rows[:0],
            no_flows(),
            points,
            *(np.zeros(0, np.intp),) * 2,
            0,
            np.zeros(len(points), np.int64),
        )
    of_point = np.repeat(np.arange(len(points)), counts)
    number = np.concatenate([np.arange(count) for count in counts])
    first = np.concatenate([part.first for part in points])
    flows = np.concatenate([part.flows for part in points])
    sent = np.concatenate([part.endings.retransmits for part in points])
    of_try = match_tries(rows[first], of_point) if len(points) > 1 else np.arange(len(first))
    # The sighting that tells of each try: the one with the most SYNs.
    by_try = np.lexsort((of_point, -sent.astype(np.int64), of_try))
    telling = by_try[np.append(True, np.diff(of_try[by_try]) != 0)]
    clocks_ns = compare_clocks(rows["time_ns"][first], of_point, of_try)
    in_time = np.argsort((rows["time_ns"][first] - clocks_ns[of_point])[telling], kind="stable")
    telling = telling[in_time]
    place = np.empty(len(telling), np.intp)
    place[in_time] = np.arange(len(telling))
    flows["attempt"] = place[of_try]
    flows = flows[np.argsort(flows["attempt"], kind="stable")]
    syns = rows[first[telling]]
    start_ns = syns["time_ns"] - clocks_ns[of_point[telling]]
    epoch_ns = int(start_ns[0])
    attempts = np.zeros(len(telling), ATTEMPT)
    attempts["start_ns"] = start_ns - epoch_ns
    attempts["local_port"] = syns["source_port"]
    attempts["phase"] = STORM
    for field in ("latency_ns", "error", "retransmits"):
        attempts[field] = np.concatenate([getattr(part.endings, field) for part in points])[telling]
    return Tries(attempts, syns, flows, points, of_point[telling], number[telling], epoch_ns, clocks_ns)


def tries_of_point(rows: npt.NDArray[Any], point: Point) -> PointTries:
    """Return the tries of one point of capture.

    Args:
        rows: all segments, ordered by time, dtype SEGMENT.
        point: the point.
    """
    index = np.flatnonzero(np.isin(rows["file"], point.files))
    flows, periods, shakes = build_flows(rows, index, point)
    endings = find_endings(rows, periods, shakes, flows, point)
    flows["is_ended"] = endings.error != errno.EINPROGRESS
    return PointTries(point, flows, periods, endings, periods.conversations.row[periods.start[periods.is_try]])


def match_tries(syns: npt.NDArray[Any], of_point: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return a number for each SYN, shape (syns,), equal for the n-th of one name at each point.

    Args:
        syns: first SYNs, shape (syns,), dtype SEGMENT.
        of_point: number of the point that captured each.
    """
    names = np.zeros(len(syns), np.dtype([(name, SEGMENT[name]) for name in NAME] + [("turn", "<u4")]))
    for name in NAME:
        names[name] = syns[name]
    packed = names.view(f"V{names.dtype.itemsize}")
    _, alike = np.unique(packed, return_inverse=True)
    order = np.lexsort((syns["time_ns"], of_point, alike))
    is_first = np.append(True, (np.diff(alike[order]) != 0) | (np.diff(of_point[order]) != 0))
    turn = np.arange(len(order)) - np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))
    names["turn"][order] = turn
    _, of_try = np.unique(packed, return_inverse=True)
    return of_try.astype(np.intp)


def compare_clocks(
    times_ns: npt.NDArray[np.int64], of_point: npt.NDArray[np.intp], of_try: npt.NDArray[np.intp]
) -> npt.NDArray[np.int64]:
    """Return how far the clock of each point is ahead of the first one's, shape (points,), by the tries that both saw.

    Args:
        times_ns: of the first SYNs of tries, as a point saw them, shape (sightings,).
        of_point: of each the point.
        of_try: of each the try.
    """
    ahead_ns = np.zeros(int(of_point.max()) + 1, np.int64)
    own = {point: np.flatnonzero(of_point == point) for point in range(len(ahead_ns))}
    for point in range(1, len(ahead_ns)):
        _, here, there = np.intersect1d(of_try[own[point]], of_try[own[0]], return_indices=True)
        if len(here):
            ahead_ns[point] = int(np.median(times_ns[own[point][here]] - times_ns[own[0][there]]))
    return ahead_ns


def segments_of_try(tries: Tries, row: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Return the segments of a try until it ended, at the point that tells of it.

    Args:
        tries: all tries.
        row: index of one.

    Returns:
        indices in all segments, copies included, and whether each went away from the client; both shape (segments,).
    """
    part, number = tries.points[int(tries.point[row])], int(tries.number[row])
    period = int(np.flatnonzero(part.periods.is_try)[number])
    places = slice(int(part.periods.start[period]), int(part.endings.end[number]) + 1)
    return part.periods.conversations.row[places], part.periods.from_client[places]
