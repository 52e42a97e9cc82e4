# SPDX-License-Identifier: MIT
"""Endings: how each try ended for its client, and after what time, as far as the capture shows."""

import errno
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.capture.flows import DOUBLED, FIRST_TIMEOUT_NS, MOST, Handshakes
from stress.analysis.capture.icmp_errno import icmp_errnos
from stress.analysis.capture.period import Mask, Periods, Places
from stress.analysis.capture.point import Point
from stress.model.flow import Vantage
from stress.model.segment import ACK, RST, SYN

LONGEST_NS = float(1 << 62)  # of a timeout that int64 holds


@dataclass(frozen=True)
class Endings:
    """The ends of tries, all of the shape (tries,).

    Attributes:
        error: errno, as in ATTEMPT; EINPROGRESS where the capture does not show the end.
        latency_ns: from the first SYN until then. Of one that was given up until its last SYN, for nothing shows when
            its client stopped waiting; where the end is not shown, until the capture ends.
        retransmits: SYNs that were sent again before it connected.
        end: place after which no segment belongs to it.
        is_given_up: whether it ended because its client sent no further SYN.
        has_no_ack: whether it counts as connected although the client's ACK of the SYN-ACK was not captured.
    """

    error: npt.NDArray[np.uint8]
    latency_ns: npt.NDArray[np.int64]
    retransmits: npt.NDArray[np.uint8]
    end: Places
    is_given_up: Mask
    has_no_ack: Mask


def find_endings(
    rows: npt.NDArray[Any], periods: Periods, shakes: Handshakes, flows: npt.NDArray[Any], point: Point
) -> Endings:
    """Return how each try of a point of capture ended.

    Args:
        rows: all segments, dtype SEGMENT.
        periods: of the point.
        shakes: what its segments are.
        flows: of its tries, dtype FLOW.
        point: the point.
    """
    all_of, own, none = periods.conversations, periods.is_try, periods.none
    place = np.arange(none)
    last_syn = periods.last(shakes.syn)
    after_syns = place > last_syn[periods.of_place]
    no_answer = periods.syn_ack == none
    refusal = np.where(no_answer, periods.first(shakes.server_reset & after_syns), none)
    numbers = np.zeros(none, np.uint8)
    quoted = np.flatnonzero(shakes.icmp & after_syns)
    numbers[quoted] = icmp_errnos(rows[all_of.row[quoted]])
    connected = periods.connected < none
    silent = is_silent(rows, periods, last_syn, flows, point)
    replaced = np.append((all_of.connection[periods.start][1:] == all_of.connection[periods.start][:-1]), False)
    replaced = replaced[: periods.count]
    # Not every client ends with an ICMP error: one of IPv6 sends its SYN once more.
    unreachable = np.where(no_answer & (silent | replaced), periods.first(numbers > 0), none)
    # On the server's host SYNs may be missing that were sent.
    silent &= expand(flows["vantage"], own) != Vantage.SERVER
    answered_by_reset = periods.last(shakes.client_reset) > np.where(
        no_answer, none, np.maximum(periods.syn_ack, last_syn)
    )
    given_up = np.where(no_answer, silent | replaced, answered_by_reset)
    unheard = (
        ~connected
        & ~no_answer
        & (periods.last(shakes.client_reset) < periods.syn_ack)
        & is_quiet(rows, periods, np.maximum(last_syn, periods.last(shakes.answer)), point)
    )
    no_ack = unheard & (last_syn < periods.syn_ack) & (not has_acks(periods))
    first_end = np.minimum(refusal, unreachable)
    errors = np.select(
        [connected | no_ack, first_end == none, refusal == first_end],
        [0, np.where(given_up, errno.ETIMEDOUT, errno.EINPROGRESS), errno.ECONNREFUSED],
        np.append(numbers, 0)[unreachable],
    ).astype(np.uint8)
    end = np.select([connected, no_ack, first_end < none], [periods.connected, periods.syn_ack, first_end], -1)
    until_ns = np.where(end >= 0, periods.time_at(end), periods.time_at(last_syn))
    seen_by_client = np.isin(expand(flows["vantage"], own), (Vantage.CLIENT, Vantage.BOTH))
    before_end = shakes.answer & (place < periods.connected[periods.of_place])
    until_ns = np.where(connected & seen_by_client, periods.time_at(periods.last(before_end)), until_ns)
    files = rows["file"][all_of.row[periods.start]] if none else np.zeros(0, np.uint8)
    capture_end_ns = until_of(point, files) - all_of.time_ns[periods.start]
    until_ns = np.where(errors == errno.EINPROGRESS, capture_end_ns, until_ns)
    sent = periods.numbers(shakes.syn & (place < periods.connected[periods.of_place]))
    return Endings(
        error=errors[own],
        latency_ns=until_ns[own],
        retransmits=np.minimum(np.maximum(sent - 1, 0), MOST)[own].astype(np.uint8),
        end=np.where(end >= 0, end, periods.stop - 1)[own],
        is_given_up=(given_up & (errors == errno.ETIMEDOUT))[own],
        has_no_ack=no_ack[own],
    )


def expand(values: npt.NDArray[Any], own: Mask) -> npt.NDArray[Any]:
    """Return a value for each period, of values for those that are tries."""
    all_values = np.zeros(len(own), values.dtype)
    all_values[own] = values
    return all_values


def until_of(point: Point, files: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return until when the capture went on from each of some files, shape (files,)."""
    table = np.zeros(256, np.int64)
    for number, until_ns in point.until_ns.items():
        table[number] = until_ns
    return table[files]


def is_quiet(
    rows: npt.NDArray[Any],
    periods: Periods,
    places: Places,
    point: Point,
    timeout_ns: npt.NDArray[np.int64] | int = FIRST_TIMEOUT_NS,
) -> Mask:
    """Return whether the capture goes on for longer than a timeout after a place in each period."""
    row = periods.conversations.row
    if not len(row):
        return np.zeros(periods.count, np.bool_)
    at = np.clip(places, 0, len(row) - 1)
    quiet: Mask = until_of(point, rows["file"][row[at]]) - periods.conversations.time_ns[at] > timeout_ns
    return quiet & (places >= 0) & (places < len(row))


def is_silent(
    rows: npt.NDArray[Any], periods: Periods, last_syn: Places, flows: npt.NDArray[Any], point: Point
) -> Mask:
    """Return of which periods the capture shows that their client stopped sending SYNs.

    The timeout after a SYN is at most twice the one before it.
    """
    own = periods.is_try
    syns = expand(flows["syns"], own)
    last_ns, second_ns = periods.time_at(last_syn), expand(flows["second_syn_ns"], own)
    # Between the last two SYNs there was at most the time since the second one; if that is the last, since the first.
    longest_ns = np.where(syns > 2, last_ns - second_ns, last_ns)
    timeout_ns = np.maximum(np.minimum(2 * DOUBLED * longest_ns, LONGEST_NS).astype(np.int64), FIRST_TIMEOUT_NS)
    return is_quiet(rows, periods, last_syn, point, timeout_ns)


def has_acks(periods: Periods) -> bool:
    """Return whether any ACK without SYN and RST was captured; a capture of SYNs alone has none."""
    all_of = periods.conversations
    return bool((all_of.is_segment & (all_of.flags & (SYN | RST | ACK) == ACK)).any())
