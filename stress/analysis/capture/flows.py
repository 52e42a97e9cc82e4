# SPDX-License-Identifier: MIT
"""Flows: what the packets of each connection try are, counted and timed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.capture.conversation import sort_conversations
from stress.analysis.capture.old_socket import find_previous, match_old_sockets
from stress.analysis.capture.period import Mask, Periods, Places, split_periods
from stress.analysis.capture.point import Point, vantage_of
from stress.analysis.capture.sighting import is_first_sighting
from stress.model.flow import FLOW
from stress.model.segment import ACK, FIN, NO_ICMP, RST, SYN

MOST = 255  # of a count in a flow
# From the beginning of a capture to the first SYN that it shows: longer than the first timeout of a SYN, which is 3 s
# on kernels before 3.1 (RFC 1122; 1 s since RFC 6298). One that was sent again after less shows by its own next gap.
FIRST_TIMEOUT_NS = 3_300_000_000
DOUBLED = 1.1  # a timer may be late, relative to a timeout


@dataclass(frozen=True)
class Handshakes:
    """Which segments of conversations belong to what, without copies; all of the shape (segments,).

    Attributes:
        syn: SYNs of the client.
        answer: SYN-ACKs that acknowledge it.
        other_answer: SYN-ACKs that acknowledge another.
        challenge: ACKs of the server's side that acknowledge other data, before the client connected.
        client_reset, server_reset: RSTs of both sides before it connected; the server's acknowledge the SYN.
        icmp: errors that quote the SYN, before it connected.
    """

    syn: Mask
    answer: Mask
    other_answer: Mask
    challenge: Mask
    client_reset: Mask
    server_reset: Mask
    icmp: Mask


def find_handshakes(rows: npt.NDArray[Any], periods: Periods) -> Handshakes:
    """Return what each segment of some periods is for its try."""
    all_of = periods.conversations
    flags, of_place = all_of.flags, periods.of_place
    segment = all_of.is_segment & periods.is_try[of_place]
    before = np.arange(len(flags)) < periods.connected[of_place]
    client, server = segment & periods.from_client, segment & periods.from_server
    # An acknowledgment number of 0 was cut off, or the header has none.
    other = ~periods.acknowledges_syn & (all_of.acknowledgment != 0)
    is_answer = server & (flags & (SYN | ACK | RST) == SYN | ACK)
    numbers = all_of.sequence
    masks = (
        client & (flags & (SYN | ACK | RST) == SYN) & (numbers == numbers[periods.start][of_place]),
        is_answer & periods.acknowledges_syn,
        is_answer & other & before,
        server & (flags & (SYN | RST | FIN | ACK) == ACK) & (all_of.payload == 0) & other & before,
        client & (flags & RST > 0) & before,
        server & (flags & RST > 0) & periods.acknowledges_syn & before,
        ~all_of.is_segment & periods.is_try[of_place] & before & (numbers == numbers[periods.start][of_place]),
    )
    places = np.flatnonzero(np.logical_or.reduce(masks))
    first = is_first_sighting(rows[all_of.row[places]], all_of.connection[places], all_of.is_forward[places])
    is_copy = np.zeros(len(flags), np.bool_)
    is_copy[places[~first]] = True
    return Handshakes(*(mask & ~is_copy for mask in masks))


def build_flows(
    rows: npt.NDArray[Any], index: npt.NDArray[np.intp], point: Point
) -> tuple[npt.NDArray[Any], Periods, Handshakes]:
    """Return the flows of one point of capture, one for each try in the order of the periods, and what they rest on.

    Args:
        rows: all segments, ordered by time, dtype SEGMENT.
        index: of those that the point's files have, ascending.
        point: the point.
    """
    periods = split_periods(sort_conversations(rows, index))
    shakes = find_handshakes(rows, periods)
    own = periods.is_try
    flows = np.zeros(int(own.sum()), FLOW)
    all_of = periods.conversations

    def place_in(name: str, mask: Mask, hops: str = "") -> Places:
        first = periods.first(mask)
        flows[name] = periods.time_at(first)[own]
        if hops:
            flows[hops] = field_at(rows, all_of.row, first, "hops")[own]
        return first

    for name, mask in (
        ("syns", shakes.syn),
        ("syn_acks", shakes.answer),
        ("challenges", shakes.challenge),
        ("client_resets", shakes.client_reset),
        ("server_resets", shakes.server_reset),
        ("other_syn_acks", shakes.other_answer),
    ):
        flows[name] = np.minimum(periods.numbers(mask), MOST)[own]
    place_in("syn_ack_ns", shakes.answer, "syn_ack_hops")
    place_in("other_syn_ack_ns", shakes.other_answer)
    place_in("challenge_ns", shakes.challenge, "challenge_hops")
    place_in("client_reset_ns", shakes.client_reset, "client_reset_hops")
    place_in("server_reset_ns", shakes.server_reset, "server_reset_hops")
    flows["ack_ns"] = periods.time_at(periods.connected)[own]
    errors = place_in("icmp_ns", shakes.icmp)
    flows["icmp_type"] = field_at(rows, all_of.row, errors, "icmp_type", NO_ICMP)[own]
    flows["icmp_code"] = field_at(rows, all_of.row, errors, "icmp_code")[own]
    note_syns(flows, rows, periods, shakes, point)
    find_previous(flows, periods)
    match_old_sockets(flows, rows, periods, syn=shakes.syn, challenge=shakes.challenge, reset=shakes.client_reset)
    return flows, periods, shakes


def field_at(
    rows: npt.NDArray[Any], row: npt.NDArray[np.intp], places: Places, name: str, none: int = 0
) -> npt.NDArray[Any]:
    """Return a field of the segments at some places; ``none`` where there is no segment."""
    exists = (places >= 0) & (places < len(row))
    if not len(row):
        return np.full(len(places), none)
    return np.where(exists, rows[name][row[np.where(exists, places, 0)]], none)


def note_syns(
    flows: npt.NDArray[Any], rows: npt.NDArray[Any], periods: Periods, shakes: Handshakes, point: Point
) -> None:
    """Fill in what the SYNs of each try say."""
    all_of, own = periods.conversations, periods.is_try
    place = np.arange(periods.none)
    unanswered = shakes.syn & (place < periods.syn_ack[periods.of_place])
    again = shakes.syn & (place > periods.start[periods.of_place])
    first, last = periods.start, periods.last(unanswered)
    second = periods.first(again)
    flows["last_syn_ns"] = periods.time_at(last)[own]
    flows["second_syn_ns"] = periods.time_at(second)[own]
    for name, field, places in (
        ("client_hops", "hops", first),
        ("options", "options", first),
        ("last_options", "options", last),
        ("flags", "flags", first),
        ("last_flags", "flags", last),
        ("first_frame", "frame", first),
        ("file", "file", first),
    ):
        flows[name] = field_at(rows, all_of.row, places, field)[own]
    gap_ns = periods.time_at(second)
    before_ns = all_of.time_ns[first] - point.first_ns
    # The timeout before a SYN that is seen is no longer than the one after it.
    flows["is_begun"] = (before_ns > np.where(gap_ns > FIRST_TIMEOUT_NS, gap_ns * DOUBLED, FIRST_TIMEOUT_NS))[own]
    flows["losses"] = point.losses
    syns = np.flatnonzero(periods.from_client & own[periods.of_place] & (all_of.flags & (SYN | ACK | RST) == SYN))
    numbers = np.cumsum(own) - 1
    flows["vantage"] = vantage_of(rows, numbers[periods.of_place[syns]], len(flows), all_of.row[syns])
