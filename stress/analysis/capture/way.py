# SPDX-License-Identifier: MIT
"""Ways: what each side of an earlier connection has sent, as far as it was captured."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.capture.period import Mask, Periods, Places, first_places
from stress.model.segment import ACK, FIN, RST, SYN

WAYS = 2  # of a connection


@dataclass(frozen=True)
class Ways:
    """What each way of each period has sent, RSTs left out; all of the shape (periods * WAYS,).

    Attributes:
        exists: whether any segment was captured.
        next_number: the sequence number after the last that it sent.
        is_whole: whether the last that was captured ends there: a pure ACK may show that one was not.
        heard: the highest acknowledgment number.
        last: place of the last segment.
        timestamp: of that.
        end: place of the first FIN.
        end_heard: its acknowledgment number.
    """

    exists: Mask
    next_number: npt.NDArray[np.uint32]
    is_whole: Mask
    heard: npt.NDArray[np.uint32]
    last: Places
    timestamp: npt.NDArray[np.uint32]
    end: Places
    end_heard: npt.NDArray[np.uint32]


def highest(
    numbers: npt.NDArray[np.uint32], groups: npt.NDArray[np.int64], count: int
) -> tuple[npt.NDArray[np.uint32], Mask]:
    """Return the highest number of each group, as sequence numbers are, which wrap around; and whether there is any.

    Args:
        numbers: of all groups, shape (numbers,).
        groups: of each number, ascending.
        count: of groups.
    """
    first, exists = np.zeros(count, np.uint32), np.zeros(count, np.bool_)
    first[groups[::-1]] = numbers[::-1]
    exists[groups] = True
    ahead = np.zeros(count, np.int32)
    np.maximum.at(ahead, groups, (numbers - first[groups]).astype(np.int32))
    return first + ahead.astype(np.uint32), exists


def describe_ways(periods: Periods, rows: npt.NDArray[Any], wanted: Mask) -> Ways:
    """Return what each way of some periods has sent.

    Args:
        periods: all periods.
        rows: all segments, dtype SEGMENT.
        wanted: of which periods, shape (periods,).
    """
    all_of, count = periods.conversations, periods.count * WAYS
    of_wanted = wanted[periods.of_place] & all_of.is_segment
    where = np.flatnonzero(of_wanted & (all_of.flags & RST == 0))
    groups = periods.of_place[where] * WAYS + all_of.is_forward[where]
    order = np.argsort(groups, kind="stable")
    where, groups = where[order], groups[order]
    flags = all_of.flags[where]
    length = all_of.payload[where] + (flags & SYN > 0).astype(np.uint32) + (flags & FIN > 0)
    after = all_of.sequence[where] + length
    next_number, exists = highest(after, groups, count)
    sends = length > 0
    sent, has_sent = highest(after[sends], groups[sends], count)
    hears = flags & ACK > 0
    heard, _ = highest(all_of.acknowledgment[where][hears], groups[hears], count)
    last = np.full(count, -1, np.int64)
    last[groups] = where
    stamps = np.where(exists, rows["timestamp"][all_of.row[np.where(exists, last, 0)]], 0) if count else last
    end = of_both_ways(periods, np.flatnonzero(of_wanted & (all_of.flags & (FIN | RST) == FIN))).reshape(-1)
    return Ways(
        exists=exists,
        next_number=next_number,
        is_whole=has_sent & (sent == next_number),
        heard=heard,
        last=last,
        timestamp=stamps.astype(np.uint32),
        end=end,
        end_heard=np.append(all_of.acknowledgment, np.uint32(0))[end],
    )


def of_both_ways(periods: Periods, where: npt.NDArray[np.intp]) -> Places:
    """Return the first of some places in each period and each way, shape (periods, 2); the second way is forward."""
    all_of = periods.conversations
    groups = periods.of_place * WAYS + all_of.is_forward
    return first_places(where, groups, periods.count * WAYS).reshape(-1, WAYS)


def is_copy(ways: Ways, rows: npt.NDArray[Any], server: Places, challenges: npt.NDArray[np.intp]) -> Mask:
    """Return which challenges may be late copies of the earlier connection: their timestamps are not later.

    Args:
        ways: of all periods.
        rows: all segments, dtype SEGMENT.
        server: the server's way of each earlier connection, shape (tries,).
        challenges: rows of the challenges, shape (tries,).
    """
    before, now = ways.timestamp[server], rows["timestamp"][challenges]
    copy: Mask = (before > 0) & (now > 0) & ((now - before).astype(np.int32) <= 0)
    return copy
