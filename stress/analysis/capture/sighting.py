# SPDX-License-Identifier: MIT
"""Sightings: one packet that a capture holds several times, because several devices saw it.

A capture on all devices of a host has a packet once for each that it passes, and on a loopback when it leaves and when
it arrives; a switch that copies traffic sends some twice. Nothing in such copies differs but the device, the direction
and the hops. A segment that TCP sends again differs in more: in its IPv4 identification, which rises with each packet
of a connection, or in its TSval, for it comes a jiffy later at the least. SYN-ACKs and RSTs that no full socket sends
have the identification 0 (ip_build_and_send_pkt(), ip_send_unicast_reply(), Linux 6.18), and IPv6 has none; without
timestamps these look alike however often they are sent. Of such one device sees each packet once.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.capture.conversation import mix_bits

# Fields that copies of a packet have in common.
SAME = (
    *("sequence", "acknowledgment", "window", "flags", "payload", "options", "icmp_type", "icmp_code"),
    *("identification", "timestamp", "timestamp_echo"),
)
PLACE = ("device", "direction", "hops", "file")  # together they say who saw it
APART_NS = 500_000_000  # copies are seen within less: half the first timeout of a SYN or a SYN-ACK
JIFFY_NS = 500_000  # TCP sends nothing again before half a jiffy of the fastest timer (HZ=1000) has passed


def is_first_sighting(
    rows: npt.NDArray[Any], connection: npt.NDArray[np.int64], is_forward: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Return which of some segments are no copies of an earlier one, shape (rows,).

    Args:
        rows: of one point of capture, shape (rows,), dtype SEGMENT, those of a connection ordered by time.
        connection: number of the connection of each, shape (rows,).
        is_forward: its direction, shape (rows,).
    """
    packets = hash_fields(rows, SAME, mix_bits(connection.astype(np.uint64) * np.uint64(2) + is_forward))
    by_packet = np.argsort(packets, kind="stable")
    packets = packets[by_packet]
    starts = np.append(True, packets[1:] != packets[:-1])[: len(packets)]
    first = np.ones(len(rows), np.bool_)
    sizes = np.diff(np.append(np.flatnonzero(starts), len(packets)))
    several = np.repeat(sizes > 1, sizes)
    if not several.any():
        return first
    own = by_packet[several]
    first[own] = False
    first[own[select_packets(rows[own], packets[several])]] = True
    return first


def select_packets(rows: npt.NDArray[Any], packets: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Return the first sighting of each packet among segments that look alike, shape (rows,).

    The n-th that one device saw and the n-th that another saw are one packet.

    Args:
        rows: shape (rows,), those that look alike together and ordered by time.
        packets: a number for those that look alike, shape (rows,).
    """
    times_ns = rows["time_ns"]
    places = hash_fields(rows, PLACE, packets)
    by_place = np.argsort(places, kind="stable")
    same_place = np.append(False, places[by_place][1:] == places[by_place][:-1])
    since_ns = np.append(0, np.diff(times_ns[by_place]))
    is_marked = ((rows["identification"] != 0) | (rows["timestamp"] != 0))[by_place]
    is_copy = same_place & (since_ns < np.where(is_marked, APART_NS, JIFFY_NS))
    # How many packets that look alike this place had seen before.
    counted = np.cumsum(~is_copy)
    at_start = np.maximum.accumulate(np.where(~same_place, counted, 0))
    turn = np.empty(len(rows), np.int64)
    turn[by_place] = counted - at_start
    alike = mix_bits(packets ^ mix_bits(turn.astype(np.uint64)))
    by_turn = np.argsort(alike, kind="stable")
    same = np.append(False, alike[by_turn][1:] == alike[by_turn][:-1])
    since_ns = np.append(0, np.diff(times_ns[by_turn]))
    first = np.empty(len(rows), np.bool_)
    first[by_turn] = ~same | (since_ns >= APART_NS)
    return first


def hash_fields(
    rows: npt.NDArray[Any], fields: tuple[str, ...], numbers: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint64]:
    """Return a number for each row that is equal where the fields and the given numbers are, shape (rows,)."""
    for name in fields:
        numbers = mix_bits(numbers ^ rows[name].astype(np.uint64))
    return numbers
